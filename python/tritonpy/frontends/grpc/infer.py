"""ModelInfer and ModelStreamInfer. Messages stay bytes: the core reads and writes them itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Final, NoReturn, Protocol, TypeAlias

import grpc

from tritonpy.errors import ErrorCode, TritonError
from tritonpy.frontends.grpc.codec import request_id_of, stream_error
from tritonpy.frontends.grpc.status import SHUTTING_DOWN, STATUS_OF_CODE, detail_of

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

# Requests of one stream that are in the core at once. Reading goes on when the oldest is answered.
_STREAM_WINDOW: Final = 1024


class ProtobufInference(Protocol):
    """What the front end asks of the core's `Inference`."""

    async def infer_protobuf(self, message: bytes) -> bytes:
        """Run one serialised ModelInferRequest; return the serialised ModelInferResponse."""

    async def infer_stream_protobuf(self, message: bytes) -> bytes:
        """Run one serialised ModelInferRequest; return a serialised ModelStreamInferResponse."""


class InferCalls:
    """The two inference calls. Confined to the loop.

    A call that its client cancels, or whose deadline passes, is a cancelled task, and that cancels
    its requests in the core.
    """

    def __init__(
        self,
        inference: ProtobufInference,
        is_exiting: Callable[[], bool],
        compression: grpc.Compression | None,
    ) -> None:
        """`compression` is that of responses; None sends them as they are."""
        self._inference = inference
        self._is_exiting = is_exiting
        self._compression = compression

    async def model_infer(self, message: bytes, context: Context) -> bytes:
        """Answer ModelInfer."""
        await self._begin(context)
        try:
            return await self._inference.infer_protobuf(message)
        except TritonError as error:
            return await abort(context, self._visible(error))

    async def model_stream_infer(self, requests: AsyncIterable[bytes], context: Context) -> None:
        """Answer ModelStreamInfer: requests run side by side, responses keep their order."""
        await self._begin(context)
        stream = _Stream(self._answer_or_fail if _wants_errors(context) else self._answer)
        reading = asyncio.ensure_future(stream.read(requests))
        try:
            while (answer := await stream.next_answer()) is not None:
                await context.write(answer)
            await reading  # a client that broke off shows here
        except TritonError as error:
            await abort(context, self._visible(error))
        finally:
            reading.cancel()
            stream.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _begin(self, context: Context) -> None:
        if self._compression is not None:
            context.set_compression(self._compression)
            await context.send_initial_metadata(())  # without it, grpc.aio compresses nothing

    async def _answer(self, message: bytes) -> bytes:
        """Return a response that says itself when a request failed: the stream lives on."""
        try:
            return await self._inference.infer_stream_protobuf(message)
        except TritonError as error:
            return stream_error(self._visible(error).message, request_id_of(message))

    async def _answer_or_fail(self, message: bytes) -> bytes:
        return await self._inference.infer_stream_protobuf(message)

    def _visible(self, error: TritonError) -> TritonError:
        """Return the error as clients know it: one of a server that stops has a text of its own."""
        if error.code is ErrorCode.UNAVAILABLE and self._is_exiting():
            return type(error)(SHUTTING_DOWN)
        return error


class _Stream:
    """The requests of one stream: at most a window of them at work, answers in their order."""

    def __init__(self, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._answer = answer
        self._window = asyncio.Semaphore(_STREAM_WINDOW)
        self._started: asyncio.Queue[asyncio.Future[bytes] | None] = asyncio.Queue()
        self._working: set[asyncio.Future[bytes]] = set()

    async def read(self, requests: AsyncIterable[bytes]) -> None:
        """Start on every request as it comes, until the client has said its last."""
        try:
            async for message in requests:
                await self._window.acquire()
                working = asyncio.ensure_future(self._answer(message))
                self._working.add(working)
                working.add_done_callback(self._working.discard)
                self._started.put_nowait(working)
        finally:
            self._started.put_nowait(None)

    async def next_answer(self) -> bytes | None:
        """Return the next answer, None after the last. Raises what the request raised."""
        working = await self._started.get()
        if working is None:
            return None
        answer = await working
        self._window.release()
        return answer

    def cancel(self) -> None:
        """Cancel the requests that are still at work."""
        for working in tuple(self._working):
            working.cancel()


def _wants_errors(context: Context) -> bool:
    """Whether the client asked that the first error ends the stream with its status."""
    metadata = context.invocation_metadata() or ()
    return any(key == "triton_grpc_error" and value == "true" for key, value in metadata)


async def abort(context: Context, error: TritonError) -> NoReturn:
    """End a call with an error's status, which is done by raising."""
    await context.abort(STATUS_OF_CODE[error.code], detail_of(error.message))
    raise AssertionError("abort returned")
