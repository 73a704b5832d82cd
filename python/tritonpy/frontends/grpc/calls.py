"""What a gRPC call is without a transport: a coroutine from serialised messages to such messages.

Calls fail with a TritonError; who carries them has the table from its code to a status.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from google.protobuf.message import Message

from tritonpy.frontends.grpc.codec import parse_message

_Request = TypeVar("_Request", bound=Message)

UnaryCall: TypeAlias = Callable[[bytes], Awaitable[bytes]]
StreamCall: TypeAlias = Callable[[AsyncIterable[bytes]], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class CallTable:
    """Calls by full path, such as `/grpc.health.v1.Health/Check`."""

    unary: Mapping[str, UnaryCall] = field(default_factory=dict)
    streams: Mapping[str, StreamCall] = field(default_factory=dict)


def path_of(service: str, method: str) -> str:
    """Return the path of a service's method."""
    return f"/{service}/{method}"


def unary_call(
    request_type: type[_Request], answer: Callable[[_Request], Awaitable[Message]]
) -> UnaryCall:
    """Return the call that one coroutine answers, or fails with a TritonError."""

    async def call(message: bytes) -> bytes:
        response = await answer(parse_message(request_type, message))
        return response.SerializeToString()

    return call
