"""ModelInfer and ModelStreamInfer. Messages stay bytes: the core reads and writes them itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from functools import partial
from typing import Any, Final, NoReturn, Protocol, TypeAlias

import grpc

from tritonpy.core import Metadata, StreamedMessage
from tritonpy.errors import ErrorCode, TritonError
from tritonpy.frontends.grpc.codec import request_id_of, stream_error
from tritonpy.frontends.grpc.status import SHUTTING_DOWN, STATUS_OF_CODE, detail_of

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

# Requests of one stream that are at work at once. Reading goes on when one has its last answer.
_STREAM_WINDOW: Final = 1024
# Answers of one stream that wait to be written; further ones wait in the core, which bounds them.
_UNWRITTEN_MAX: Final = 16


class Messages(Protocol):
    """What is asked of `tritonpy.core.MessageStream`: the answers to one request."""

    @property
    def decoupled(self) -> bool:
        """Whether the model may answer any number of times, and in no order with others."""

    async def next(self) -> StreamedMessage | None:
        """Return the next message, None after the last; TritonError for one that has no form."""

    def close(self) -> None:
        """Take no more; cancels the request when there would be more."""


class ProtobufInference(Protocol):
    """What the front end asks of the core's `Inference`."""

    @property
    def wants_headers(self) -> bool:
        """Whether it matters just now which metadata a call has."""

    async def infer_protobuf(self, message: bytes, metadata: Metadata) -> bytes:
        """Run one serialised ModelInferRequest; return the serialised ModelInferResponse."""

    def stream_protobuf(self, message: bytes, metadata: Metadata) -> Messages:
        """Begin to run one serialised ModelInferRequest whose model may answer any way."""


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
            return await self._inference.infer_protobuf(message, self._metadata(context))
        except TritonError as error:
            return await abort(context, self._visible(error))

    async def model_stream_infer(self, requests: AsyncIterable[bytes], context: Context) -> None:
        """Answer ModelStreamInfer: requests run side by side, of several models.

        Answers of a model that gives one keep the order of their requests; those of a decoupled one
        are written as they come.
        """
        await self._begin(context)
        begin = partial(self._inference.stream_protobuf, metadata=self._metadata(context))
        stream = _Stream(begin, self._said, _wants_errors(context))
        reading = asyncio.ensure_future(stream.run(requests))
        try:
            while (answer := await stream.next_answer()) is not None:
                await context.write(answer)
            await reading  # a client that broke off shows here
        except TritonError as error:
            await abort(context, self._visible(error))
        finally:
            stream.cancel()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _begin(self, context: Context) -> None:
        if self._compression is not None:
            context.set_compression(self._compression)
            await context.send_initial_metadata(())  # without it, grpc.aio compresses nothing

    def _metadata(self, context: Context) -> Metadata:
        """Return what a call's requests take along, which is nothing where nobody asks."""
        return tuple(context.invocation_metadata() or ()) if self._inference.wants_headers else ()

    def _said(self, error: TritonError, request: bytes) -> bytes:
        """Return the answer that says why a request has no other: the stream lives on."""
        return stream_error(self._visible(error).message, request_id_of(request))

    def _visible(self, error: TritonError) -> TritonError:
        """Return the error as clients know it: one of a server that stops has a text of its own."""
        if error.code is ErrorCode.UNAVAILABLE and self._is_exiting():
            return type(error)(SHUTTING_DOWN)
        return error


class _Stream:
    """The requests of one stream, at most a window of them at work, and what they are answered.

    Whose answers keep their order has a turn, which ends when the last of them is on its way.
    """

    def __init__(
        self,
        begin: Callable[[bytes], Messages],
        say: Callable[[TritonError, bytes], bytes],
        errors_end_stream: bool,
    ) -> None:
        """`say` turns the error of a request into an answer, where errors do not end the stream."""
        self._begin = begin
        self._say = say
        self._errors_end_stream = errors_end_stream
        self._window = asyncio.Semaphore(_STREAM_WINDOW)
        self._unwritten: asyncio.Queue[bytes | TritonError | None] = asyncio.Queue(_UNWRITTEN_MAX)
        self._working: set[asyncio.Future[None]] = set()
        self._last_turn: asyncio.Future[None] | None = None
        self._cancelled = False

    async def run(self, requests: AsyncIterable[bytes]) -> None:
        """Work on every request as it comes, until the last is answered; then there is no next."""
        try:
            async for request in requests:
                await self._window.acquire()
                self._start(request)
        finally:  # also when the client broke off: what it asked for before is answered
            while self._working:
                await asyncio.wait(self._working)
            if not self._cancelled:
                await self._unwritten.put(None)

    def cancel(self) -> None:
        """Cancel the requests that are still at work."""
        self._cancelled = True
        for working in tuple(self._working):
            working.cancel()

    async def next_answer(self) -> bytes | None:
        """Return the next answer, None after the last. Raises an error that ends the stream."""
        answer = await self._unwritten.get()
        if isinstance(answer, TritonError):
            raise answer
        return answer

    def _start(self, request: bytes) -> None:
        """Begin a request here, so that requests reach the core in their order."""
        answers: Messages | TritonError
        try:
            answers = self._begin(request)
        except TritonError as error:
            answers = error
        before = after = None
        if isinstance(answers, TritonError) or not answers.decoupled:
            before = self._last_turn
            after = self._last_turn = asyncio.get_running_loop().create_future()
        working = asyncio.ensure_future(self._work(request, answers, before))
        self._working.add(working)

        def end(done: asyncio.Future[None]) -> None:  # also of one cancelled before it began
            self._working.discard(done)
            if not isinstance(answers, TritonError):
                answers.close()
            if after is not None:
                after.set_result(None)
            self._window.release()

        working.add_done_callback(end)

    async def _work(
        self,
        request: bytes,
        answers: Messages | TritonError,
        before: asyncio.Future[None] | None,
    ) -> None:
        """Hand on the answers to one request, when the turn `before` is over."""
        if isinstance(answers, TritonError):
            await self._put(answers, request, before)
            return
        while (answer := await self._next(answers)) is not None:
            await self._put(answer, request, before)

    async def _next(self, answers: Messages) -> bytes | TritonError | None:
        """Return the next answer; an error where a message is not the way to say it."""
        try:
            answer = await answers.next()
        except TritonError as error:
            return error
        if answer is None:
            return None
        failed = answer.error
        if failed is None:
            return answer.data
        by_message = not self._errors_end_stream and failed.code is not ErrorCode.UNAVAILABLE
        return answer.data if by_message else failed

    async def _put(
        self, answer: bytes | TritonError, request: bytes, before: asyncio.Future[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait((before,))
        if isinstance(answer, TritonError) and not self._errors_end_stream:
            answer = self._say(answer, request)
        await self._unwritten.put(answer)


def _wants_errors(context: Context) -> bool:
    """Whether the client asked that the first error ends the stream with its status."""
    metadata = context.invocation_metadata() or ()
    return any(key == "triton_grpc_error" and value == "true" for key, value in metadata)


async def abort(context: Context, error: TritonError) -> NoReturn:
    """End a call with an error's status, which is done by raising."""
    await context.abort(STATUS_OF_CODE[error.code], detail_of(error.message))
    raise AssertionError("abort returned")
