"""One gRPC call of the bridge, answered by the same coroutines as under grpc.aio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import grpc

from tritonpy.core import ControlEvent, EventKind, Log
from tritonpy.errors import TritonError
from tritonpy.frontends.grpc.calls import CallTable, StreamCall, UnaryCall
from tritonpy.frontends.grpc.status import SHUTTING_DOWN, STATUS_OF_CODE, detail_of
from tritonpy.frontends.native.bridge_server import Answers

# Messages of one stream that wait to be looked at; a call of these services sends a few.
_WAITING_MAX: Final = 64
_UNKNOWN_METHOD: Final = "Method not found!"
_NO_MESSAGE: Final = "the call ended without a request message"
_TOO_MANY: Final = "too many messages of the call wait to be looked at"


class GrpcCall:
    """Confined to the loop."""

    def __init__(self, calls: CallTable, log: Log, event: ControlEvent, answers: Answers) -> None:
        self._calls = calls
        self._log = log
        self._id = event.call_id
        self._path = event.target.decode("latin-1")
        self._answers = answers
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()  # None: there are no more
        self._taken = asyncio.Event()
        self._ended = False  # by us, or by the client's leaving
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answer the call."""
        if self._ended:
            return
        self._task = asyncio.current_task()
        try:
            await self._answer()
        except TritonError as error:
            self._end(STATUS_OF_CODE[error.code], detail_of(error.message))
        except asyncio.CancelledError:  # the client has gone, or the server ends
            self._end(grpc.StatusCode.UNAVAILABLE, SHUTTING_DOWN)
        except Exception as error:  # a bug; clients know the text from gRPC itself
            self._log.error(f"{self._path} failed: {type(error).__name__}: {error}")
            self._end(grpc.StatusCode.UNKNOWN, detail_of(f"Unexpected {type(error)}: {error}"))

    def hear(self, event: ControlEvent) -> None:
        """Take note of a message, of their end, that a piece was taken or the client has gone."""
        if event.kind == EventKind.GRPC_MESSAGE:
            if self._messages.qsize() < _WAITING_MAX:
                self._messages.put_nowait(event.body)
            else:
                self._end(grpc.StatusCode.RESOURCE_EXHAUSTED, _TOO_MANY)
                self._cancel()
        elif event.kind == EventKind.HALF_CLOSE:
            self._messages.put_nowait(None)
        elif event.kind == EventKind.TAKEN:
            self._taken.set()
        else:
            self._ended = True
            self._cancel()

    async def _answer(self) -> None:
        unary = self._calls.unary.get(self._path)
        stream = self._calls.streams.get(self._path)
        if unary is not None:
            await self._answer_one(unary)
        elif stream is not None:
            await self._answer_all(stream)
        else:
            self._end(grpc.StatusCode.UNIMPLEMENTED, _UNKNOWN_METHOD)

    async def _answer_one(self, call: UnaryCall) -> None:
        message = await self._messages.get()
        if message is None:
            self._end(grpc.StatusCode.INTERNAL, _NO_MESSAGE)
            return
        self._answers.answer_piece(self._id, await call(message))
        self._end(grpc.StatusCode.OK, "")

    async def _answer_all(self, call: StreamCall) -> None:
        async for answer in call(self._each_message()):
            self._taken.clear()
            self._answers.answer_piece(self._id, answer)
            await self._taken.wait()
        self._end(grpc.StatusCode.OK, "")

    async def _each_message(self) -> AsyncIterator[bytes]:
        while (message := await self._messages.get()) is not None:
            yield message

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, status: grpc.StatusCode, text: str) -> None:
        if not self._ended:
            self._ended = True
            self._answers.answer_end(self._id, number_of(status), text.encode("utf-8", "replace"))


def number_of(status: grpc.StatusCode) -> int:
    """Return a status as it travels."""
    number: int = status.value[0]
    return number
