"""The generate extension over HTTP: one response as JSON, or all of them as server-sent events.

The first response decides the status, for the head is sent with it; what fails later is said in the
body. A client that leaves cancels its request. One that reads too slowly is cut off by the core: it
is told so in a last event.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from tritonpy.api import V2Service
from tritonpy.api.generate import generate_answer, generate_request
from tritonpy.core import InferRequest, Log, StreamedResult, encode_error_json
from tritonpy.errors import InternalError, InvalidArgError, TritonError, UnavailableError
from tritonpy.frontends.http.error_answer import EXITING, Headers, error_answer
from tritonpy.frontends.http.load_metrics import LoadMetrics
from tritonpy.frontends.http.request_body import read_body
from tritonpy.frontends.http.request_connection import connection_of
from tritonpy.frontends.http.status import METHOD_NOT_ALLOWED, OK, STATUS_OF_CODE

_TARGET: Final = re.compile(
    rb"/v2/models/([^/]+)(?:/versions/([0-9]+|[A-Za-z_][A-Za-z0-9_.-]*))?/"
    rb"(generate|generate_stream)"
)
_JSON: Final = (b"content-type", b"application/json")
_EVENTS: Final = (b"content-type", b"text/event-stream; charset=utf-8")
_NOT_ONE: Final = (
    "generate expects model to produce exactly 1 response, use generate stream for model that "
    "generates various number of responses"
)
_ONLY_IDENTITY: Final = "Unsupported content-encoding, only 'identity' is supported."
# Larger bodies are parsed on a thread, so that the loop stays free: 64 KiB take about 5 ms.
_INLINE_PARSE_MAX: Final = 64 * 1024
# Events that have come already leave together up to this: a system call each costs more than they.
_JOINED_MAX: Final = 64 * 1024


class Responses(Protocol):
    """What is asked of `tritonpy.core.TensorStream`."""

    async def next(self) -> StreamedResult | TritonError | None:
        """Return the next response when it is here, None after the last."""

    def next_now(self) -> StreamedResult | TritonError | None:
        """Return the next response if it is here."""

    def close(self) -> None:
        """Take no more; cancels the request when there would be more."""


class StreamingInference(Protocol):
    """What is asked of the core's `Inference`."""

    def stream(self, request: InferRequest) -> Responses:
        """Begin to run a request whose model may answer any number of times."""


class _Target(NamedTuple):
    model: str
    version: str
    streaming: bool


class GenerateApp:
    """Answers the two generate routes, and hands on all others. Confined to the loop."""

    def __init__(
        self,
        service: V2Service,
        inference: StreamingInference,
        others: ASGIApp,
        log: Log,
        max_input_size: int,
        render_metrics: Callable[[], bytes] | None = None,
    ) -> None:
        """Sizes are in bytes. `render_metrics` says how loaded models are, to whom it matters."""
        self._service = service
        self._inference = inference
        self._others = others
        self._log = log
        self._max_input_size = max_input_size
        self._load_metrics = LoadMetrics(render_metrics, log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _TARGET.fullmatch(scope["raw_path"]) if scope["type"] == "http" else None
        if match is None:
            await self._others(scope, receive, send)
            return
        model, version, kind = (group.decode("latin-1") for group in match.groups(b""))
        if not (version.isdigit() or not version or self._service.has_labels(model)):
            await self._others(scope, receive, send)
            return
        target = _Target(model, version, kind == "generate_stream")
        if scope["method"] != "POST":
            await _send_error(send, METHOD_NOT_ALLOWED, "Method Not Allowed")
            return
        connection = connection_of(scope)
        if connection is None:
            await self._answer(target, scope, receive, send)
            return
        connection.set_running(asyncio.current_task())
        try:
            await self._answer(target, scope, receive, send)
        finally:
            connection.set_running(None)

    async def _answer(self, target: _Target, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in full, whatever happens."""
        answer = _Answer(send)
        try:
            await self._run(target, scope, receive, answer)
        except TritonError as error:
            await answer.fail(error)
        except asyncio.CancelledError:
            if not self._service.is_exiting:  # the client has gone
                raise
            await answer.fail(UnavailableError(EXITING))
        except Exception as error:  # a bug, which must not take the connection with it
            text = f"internal error: {type(error).__name__}: {error}"
            self._log.error(text)
            await answer.fail(InternalError(text))

    async def _run(self, target: _Target, scope: Scope, receive: Receive, answer: _Answer) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request = await self._request(target, scope, headers, receive)
        answer.load_of = partial(self._load_metrics.header, headers, target.model)
        responses = self._inference.stream(request)
        try:
            if target.streaming:
                await _send_all(request.id, responses, answer)
            else:
                await _send_one(request.id, responses, answer)
        finally:
            responses.close()

    async def _request(
        self, target: _Target, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> InferRequest:
        version = self._service.requested_version(target.model, target.version)
        coding = headers.get(b"content-encoding", b"").strip().lower()
        if coding not in (b"", b"identity"):
            raise InvalidArgError(_ONLY_IDENTITY)
        body = await read_body(scope, receive, headers, self._max_input_size)
        inputs = (await self._service.model_metadata(target.model, target.version)).inputs
        asked = (target.model, version, inputs, body, self._max_input_size)
        if len(body) <= _INLINE_PARSE_MAX:
            request = generate_request(*asked)
        else:
            request = await asyncio.to_thread(generate_request, *asked)
        return replace(request, headers=scope["headers"])


class _Answer:
    """An answer of which the head is sent with the first bytes of the body."""

    def __init__(self, send: Send) -> None:
        self.load_of: Callable[[], Headers] = list
        self._send = send
        self._as_events = False
        self._begun = False
        self._ended = False

    async def begin(self, status: int, header: tuple[bytes, bytes]) -> None:
        """Say the head; the length of the body is not known."""
        self._begun = True
        self._as_events = header == _EVENTS
        headers = [header, *self.load_of()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def add(self, body: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last part of the body."""
        self._ended = True
        await self._send({"type": "http.response.body", "body": body})

    async def fail(self, error: TritonError) -> None:
        """Answer with an error, or end with one what has begun."""
        if not self._begun:
            await _send_error(self._send, STATUS_OF_CODE[error.code], error.message)
        elif not self._ended:
            body = encode_error_json(error.message)
            await self.end(_event(body) if self._as_events else body)


async def _send_one(request_id: str, responses: Responses, answer: _Answer) -> None:
    """Send what is the only response. Its error has the status of its code, any other 200."""
    first = await responses.next()
    another = None if first is None else await responses.next()
    status, body = _encoded(request_id, first)
    if first is None or another is not None:
        body = encode_error_json(_NOT_ONE)
    await answer.begin(status, _JSON)
    await answer.end(body)


async def _send_all(request_id: str, responses: Responses, answer: _Answer) -> None:
    """Send every response as an event as soon as it is here."""
    response = await responses.next()
    status, body = _encoded(request_id, response)
    await answer.begin(status, _EVENTS)
    while response is not None:
        events = [_event(body)]
        size = len(body)
        while size < _JOINED_MAX and (response := responses.next_now()) is not None:
            _, body = _encoded(request_id, response)
            events.append(_event(body))
            size += len(body)
        await answer.add(b"".join(events))
        response = await responses.next()
        _, body = _encoded(request_id, response)
    await answer.end()


def _encoded(request_id: str, response: StreamedResult | TritonError | None) -> tuple[int, bytes]:
    """Return what status a response would give, and its JSON."""
    if response is None:
        return OK, b""
    try:
        if isinstance(response, TritonError):
            raise response
        return OK, generate_answer(request_id, response)
    except TritonError as error:
        return STATUS_OF_CODE[error.code], encode_error_json(error.message)


def _event(body: bytes) -> bytes:
    return b"data: %b\n\n" % body


async def _send_error(send: Send, status: int, text: str) -> None:
    headers: Headers
    headers, body = error_answer(status, text)
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
