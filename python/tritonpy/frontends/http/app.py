"""The HTTP front end as one ASGI application.

Inference is answered here, before any routing: at tens of microseconds a request, a router, request
and response objects would cost more than the work. Everything else goes to the application behind:
the generate routes, and then the control plane.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from tritonpy.api import V2Service
from tritonpy.core import JsonAnswer, Log
from tritonpy.errors import ErrorCode, TritonError
from tritonpy.frontends.http.encoding import choose_coding, encode
from tritonpy.frontends.http.error_answer import EXITING, Headers, error_answer
from tritonpy.frontends.http.request_body import json_length_of, read_body
from tritonpy.frontends.http.request_connection import connection_of
from tritonpy.frontends.http.status import METHOD_NOT_ALLOWED, OK, STATUS_OF_CODE, UNAVAILABLE

_MODELS: Final = b"/v2/models/"
_INFER: Final = b"/infer"
_TARGET: Final = re.compile(
    rb"/v2/models/([^/]+)(?:/versions/([0-9]+|[A-Za-z_][A-Za-z0-9_.-]*))?/infer"
)
# Paths whose target is remembered: 256 KiB at most, however many names a client makes up.
_TARGETS_MAX: Final = 1024
_TARGET_PATH_MAX: Final = 256
_JSON: Final = (b"content-type", b"application/json")
_BINARY: Final = (b"content-type", b"application/octet-stream")


class JsonInference(Protocol):
    """What the front end asks of the core's `Inference`."""

    async def infer_json(
        self,
        model: str,
        version: int,
        body: bytes,
        json_length: int | None,
        max_input_size: int,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> JsonAnswer:
        """Run one V2 HTTP inference body."""


class InferTarget(NamedTuple):
    """Which model a path asks to infer with; the version is empty for the newest."""

    model: str
    version: str
    names_label: bool = False  # instead of a version: no path of ours where the model has none


def infer_target(path: bytes) -> InferTarget | None:
    """Return the target of an inference path, None for any other path.

    Segments are taken as they arrive, without percent-decoding, as Triton does.
    """
    if not (path.startswith(_MODELS) and path.endswith(_INFER)):
        return None
    match = _TARGET.fullmatch(path)
    if match is None:
        return None
    model, version = (group.decode("ascii") for group in match.groups(b""))
    return InferTarget(model, version, names_label=bool(version) and not version.isdigit())


class HttpApp:
    """Confined to the loop."""

    def __init__(
        self,
        service: V2Service,
        inference: JsonInference,
        control: ASGIApp,
        log: Log,
        max_input_size: int,
    ) -> None:
        """`control` answers everything but infer; sizes are in bytes."""
        self._service = service
        self._inference = inference
        self._control = control
        self._log = log
        self._max_input_size = max_input_size
        self._targets: dict[bytes, InferTarget] = {}  # the same few paths again and again

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._control(scope, receive, send)
            return
        path = scope["raw_path"]
        target = self._targets.get(path) or self._new_target(path)
        if target is None or (target.names_label and not self._service.has_labels(target.model)):
            await self._control(scope, receive, send)
        elif scope["method"] != "POST":
            await _send(send, _error(METHOD_NOT_ALLOWED, "Method Not Allowed"))
        else:
            await self._infer(target, scope, receive, send)

    def _new_target(self, path: bytes) -> InferTarget | None:
        target = infer_target(path)
        if target is not None and len(path) <= _TARGET_PATH_MAX:
            if len(self._targets) >= _TARGETS_MAX:
                self._targets.clear()
            self._targets[path] = target
        return target

    async def _infer(self, target: InferTarget, scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        if connection is None:
            await _send(send, await self._response(target, scope, receive))
            return
        connection.set_running(asyncio.current_task())
        try:
            response = await self._response(target, scope, receive)
            connection.cork()
            await _send(send, response)
        finally:
            connection.set_running(None)
            connection.uncork()

    async def _response(self, target: InferTarget, scope: Scope, receive: Receive) -> _Response:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            version = self._service.requested_version(target.model, target.version)
            body = await read_body(scope, receive, headers, self._max_input_size)
            answer = await self._inference.infer_json(
                target.model,
                version,
                body,
                json_length_of(headers),
                self._max_input_size,
                scope["headers"],
            )
            return await _success(answer, headers.get(b"accept-encoding"))
        except TritonError as error:
            return _error(STATUS_OF_CODE[error.code], error.message)
        except asyncio.CancelledError:
            if not self._service.is_exiting:  # the client has gone
                raise
            return _error(UNAVAILABLE, EXITING)
        except Exception as error:  # a bug, which must not take the connection with it
            text = f"internal error: {type(error).__name__}: {error}"
            self._log.error(text)
            return _error(STATUS_OF_CODE[ErrorCode.INTERNAL], text)


class _Response(NamedTuple):
    status: int
    headers: Headers
    body: bytes


async def _success(answer: JsonAnswer, accept_encoding: bytes | None) -> _Response:
    body = answer.body
    headers = [_JSON]
    if answer.json_length is not None:
        headers = [_BINARY, (b"inference-header-content-length", b"%d" % answer.json_length)]
    coding = None if accept_encoding is None else choose_coding(accept_encoding)
    if coding is not None:
        body = await encode(body, coding)
        headers.append((b"content-encoding", coding))
    return _Response(OK, headers, body)


def _error(status: int, text: str) -> _Response:
    return _Response(status, *error_answer(status, text))


async def _send(send: Send, response: _Response) -> None:
    status, headers, body = response
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
