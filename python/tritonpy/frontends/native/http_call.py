"""One HTTP request of the bridge: what an ASGI server is to its application."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httptools
from starlette.types import ASGIApp, Message, Scope

from tritonpy.core import ControlEvent, EventKind, Log
from tritonpy.errors import ErrorCode
from tritonpy.frontends.http.error_answer import Headers, error_answer
from tritonpy.frontends.http.request_connection import STATE_KEY
from tritonpy.frontends.http.status import BAD_REQUEST, STATUS_OF_CODE
from tritonpy.frontends.native.bridge_server import Answers

_INVALID: Final = "Invalid HTTP request received."


class HttpCall:
    """Confined to the loop. It is also the application's `RequestConnection`."""

    def __init__(self, app: ASGIApp, log: Log, event: ControlEvent, answers: Answers) -> None:
        self._app = app
        self._log = log
        self._request = event
        self._answers = answers
        self._body_is_read = False
        self._head: tuple[int, Headers] | None = None  # kept until the body begins
        self._begun = False
        self._ended = False  # by us, or by the client's leaving
        self._progress = asyncio.Event()  # the last piece was taken, or the call has ended
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Let the application answer; answer for it when it fails."""
        if self._ended:
            return
        try:
            scope = self._scope()
            if scope is None:
                self._fail(BAD_REQUEST, _INVALID)
            else:
                await self._app(scope, self._receive, self._send)
        except Exception as error:
            if not self._ended:  # else the application has said so itself
                what = f"{self._request.method} {self._request.target.decode('latin-1')}"
                self._log.error(f"{what} failed: {type(error).__name__}: {error}")
        finally:
            if not self._ended:
                self._fail(STATUS_OF_CODE[ErrorCode.INTERNAL], "internal error")

    def hear(self, event: ControlEvent) -> None:
        """Take note that a piece was taken, or that the client has gone."""
        if event.kind == EventKind.GONE:
            self._end()
            if self._running is not None:
                self._running.cancel()
        self._progress.set()

    def set_running(self, task: asyncio.Task[None] | None) -> None:
        """Name the task to cancel when the client goes away."""
        self._running = task

    def cork(self) -> None:
        """Do nothing: what is answered in one turn leaves together."""

    def uncork(self) -> None:
        """Do nothing, as `cork`."""

    def chunks_of(self, _scope: Scope) -> int:
        """Return the chunks of the body, the empty last one among them."""
        return self._request.chunks

    def _scope(self) -> Scope | None:
        """Return what the application learns of the request; None when its target is none."""
        try:
            url = httptools.parse_url(self._request.target)
        except httptools.HttpParserInvalidURLError:
            return None
        path: bytes = url.path or b"/"
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": f"1.{self._request.minor_version}",
            "method": self._request.method,
            "scheme": "http",
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": url.query or b"",
            "root_path": "",
            "headers": list(self._request.headers),
            "client": None,
            "server": None,
            "state": {STATE_KEY: self},
        }

    async def _receive(self) -> Message:
        if not self._body_is_read:
            self._body_is_read = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        while not self._ended:
            self._progress.clear()
            await self._progress.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self._ended:  # nobody listens any more
            return
        if message["type"] == "http.response.start":
            self._head = message["status"], list(message.get("headers", ()))
            return
        if self._head is not None:
            self._begin(*self._head)
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            self._finish(body)
        elif body:
            self._progress.clear()
            self._answers.answer_piece(self._request.call_id, body)
            await self._progress.wait()

    def _fail(self, status: int, text: str) -> None:
        """End an answer that has no end: with an error, where it has not begun."""
        if self._begun:
            self._finish(b"")
            return
        headers, body = error_answer(status, text)
        self._begin(status, [*headers, (b"content-length", b"%d" % len(body))])
        self._finish(body)

    def _begin(self, status: int, headers: Headers) -> None:
        self._answers.answer_head(self._request.call_id, status, headers)
        self._head = None
        self._begun = True

    def _finish(self, body: bytes) -> None:
        self._answers.answer_end(self._request.call_id, 0, body)
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._progress.set()
