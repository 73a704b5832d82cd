"""A model that answers when the test says so, and one HTTP request to the generate routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.types import ASGIApp

from tritonpy.core import InferRequest, OutputTensor, StreamedResult
from tritonpy.errors import TritonError

EVENTS = b"text/event-stream; charset=utf-8"


class FakeStream:
    """Responses that the test releases; None is the last, and brings nothing."""

    def __init__(self) -> None:
        self._released: asyncio.Queue[StreamedResult | TritonError | None] = asyncio.Queue()
        self.heard_last = False
        self.cancelled = False
        self.taken = 0

    def release(self, *responses: StreamedResult | TritonError | None) -> None:
        for response in responses:
            self._released.put_nowait(response)

    async def next(self) -> StreamedResult | TritonError | None:
        if self.heard_last:
            return None
        return self._heard(await self._released.get())

    def next_now(self) -> StreamedResult | TritonError | None:
        return None if self._released.empty() else self._heard(self._released.get_nowait())

    def close(self) -> None:
        self.cancelled = not self.heard_last

    def _heard(
        self, response: StreamedResult | TritonError | None
    ) -> StreamedResult | TritonError | None:
        self.heard_last = response is None
        self.taken += 1
        return response


class FakeStreaming:
    """Hands out one stream, or fails."""

    def __init__(self, *responses: StreamedResult | TritonError | None) -> None:
        self.streamed = FakeStream()
        self.streamed.release(*responses)
        self.asked: list[InferRequest] = []
        self.error: Exception | None = None

    def stream(self, request: InferRequest) -> FakeStream:
        if self.error is not None:
            raise self.error
        self.asked.append(request)
        return self.streamed


def said(text: str) -> StreamedResult:
    array = np.array([text.encode()], np.object_)
    return StreamedResult("model", 1, {}, (OutputTensor("OUT", "BYTES", array),))


def no_text() -> StreamedResult:
    return StreamedResult(
        "model", 1, {}, (OutputTensor("OUT", "BYTES", np.array([b"\xff"], np.object_)),)
    )


class Exchange:
    """One request and what was sent for it."""

    def __init__(
        self,
        app: ASGIApp,
        path: bytes,
        body: bytes,
        state: dict[str, Any],
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._app = app
        self._scope = {
            "type": "http",
            "method": "POST",
            "raw_path": path,
            "headers": headers,
            "state": state,
        }
        self._body = body
        self.sent: list[Any] = []

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> Any:
        return {"type": "http.request", "body": self._body}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def parts(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]

    @property
    def ended(self) -> bool:
        return not self.sent[-1].get("more_body", False)

    @property
    def said(self) -> list[str]:
        """What the events say: their texts, and their errors behind an exclamation mark."""
        assert self.headers[b"content-type"] == EVENTS
        *events, rest = b"".join(self.parts).split(b"\n\n")
        assert rest == b""
        return [text_of(event.removeprefix(b"data: ")) for event in events]


def text_of(body: bytes) -> str:
    values = json.loads(body)
    return str(values["OUT"]) if "OUT" in values else f"!{values['error']}"
