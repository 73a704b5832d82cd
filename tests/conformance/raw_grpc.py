"""gRPC calls on bytes, for messages that no client library would send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import grpc

SERVICE = "/inference.GRPCInferenceService"


def unary(address: str, method: str, message: bytes) -> bytes:
    """Make one call of the V2 service on a channel of its own; raises grpc.RpcError."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(f"{SERVICE}/{method}", bytes, bytes)
        answer: bytes = call(message)
        return answer


def stream(address: str, messages: Iterable[bytes]) -> Iterator[bytes]:
    """Send all messages on one ModelStreamInfer and yield what comes back."""
    with grpc.insecure_channel(address) as channel:
        yield from open_stream(channel, iter(messages))


def open_stream(channel: grpc.Channel, messages: Iterator[bytes]) -> Any:
    """Return a ModelStreamInfer call: an iterator that can be cancelled."""
    return channel.stream_stream(f"{SERVICE}/ModelStreamInfer", bytes, bytes)(messages)
