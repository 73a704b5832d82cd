"""The native front end: sockets, HTTP and gRPC in C++, and the bridge to what Python answers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from tritonpy import _core
from tritonpy.core.status import core_errors
from tritonpy.options import GrpcOptions, HttpOptions


class EventKind(IntEnum):
    """What happened to a call that Python answers."""

    HTTP_REQUEST = 0  # whole, its body included
    GRPC_CALL = 1  # its path and metadata
    GRPC_MESSAGE = 2  # one message of the client, without its framing
    HALF_CLOSE = 3  # gRPC: the client has said its last
    TAKEN = 4  # the last piece sent has left, or nearly
    GONE = 5  # the client has gone, or its deadline passed


class ControlEvent(NamedTuple):
    """One event; what its kind does not have is empty."""

    kind: int
    call_id: int
    method: str
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]  # names in lower case
    body: bytes
    minor_version: int  # HTTP/1.x
    chunks: int  # of a chunked HTTP body, the empty last one included; 0: not chunked


class NativeFrontend:
    """Both listeners and their io threads, which never need the GIL.

    `finish` and `stop` block; everything else returns at once.
    """

    def __init__(self, frontend: _core.Frontend) -> None:
        self._frontend = frontend

    def listen_http(self, options: HttpOptions, descriptor: int) -> None:
        """Accept HTTP at a listening socket, which is taken. InvalidArgError for TLS files."""
        with core_errors:
            self._frontend.listen_http(options, descriptor)

    def listen_grpc(self, options: GrpcOptions, descriptor: int) -> None:
        """Accept gRPC at a listening socket, which is taken. InvalidArgError for TLS files."""
        with core_errors:
            self._frontend.listen_grpc(options, descriptor)

    def set_health(self, *, ready: bool, exiting: bool) -> None:
        """Say what live and ready answer from now on."""
        self._frontend.set_health(ready, exiting)

    def set_models_have_checks(self, have_checks: bool) -> None:
        """Say whether Python is asked about each model, since some check themselves."""
        self._frontend.set_models_have_checks(have_checks)

    def reload_http_tls(self) -> None:
        """Read HTTP's TLS files again. InvalidArgError leaves all as it was."""
        with core_errors:
            self._frontend.reload_http_tls()

    def reload_grpc_tls(self) -> None:
        """Read gRPC's TLS files again. InvalidArgError leaves all as it was."""
        with core_errors:
            self._frontend.reload_grpc_tls()

    def finish(self, grace_s: float) -> bool:
        """Stop listening and let connections end; whether all did in time. Blocks.

        Events must still be answered meanwhile.
        """
        return self._frontend.finish(grace_s)

    def stop(self, *, wait_for_core: bool) -> None:
        """Close what is left and wait for what the core still has, or leave it there. Blocks."""
        self._frontend.stop(wait_for_core)

    def fileno(self) -> int:
        """Return a descriptor that is readable while there are events."""
        return self._frontend.fileno()

    def take_events(self) -> list[ControlEvent]:
        """Return what happened since the last call."""
        return [ControlEvent._make(event) for event in self._frontend.take_events()]

    def answer_head(
        self, call_id: int, status: int, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Begin the answer of an HTTP request."""
        self._frontend.answer_head(call_id, status, headers)

    def answer_piece(self, call_id: int, data: bytes) -> None:
        """Send a part of an HTTP body, or one gRPC message; TAKEN follows."""
        self._frontend.answer_piece(call_id, data)

    def answer_end(self, call_id: int, status: int, data: bytes) -> None:
        """End an HTTP body with `data`, or a gRPC call with a status and `data` as its text."""
        self._frontend.answer_end(call_id, status, data)
