"""Goal: inference calls keep order, bound what they take in, and cancel what nobody waits for.

A model that answers once keeps the order of requests, a decoupled one holds nobody up.

Method: a scripted inference whose answers the test releases, and a context that records.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
import pytest

from tritonpy.core import StreamedMessage
from tritonpy.errors import InternalError, NotFoundError, TritonError, UnavailableError
from tritonpy.frontends.grpc.infer import InferCalls
from tritonpy.protos import grpc_service_pb2 as v2


class _Aborted(Exception):
    """What a real context raises, too, to end a call."""


class _Context:
    """Records what a call writes and how it ends."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self.written: list[bytes] = []
        self.status: tuple[grpc.StatusCode, str] | None = None
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    async def write(self, message: bytes) -> None:
        self.written.append(message)

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self.status = (code, details)
        raise _Aborted


class _ScriptedMessages:
    """The answers of one request: what the test releases, in its order."""

    def __init__(self, message: bytes, cancelled: list[bytes]) -> None:
        self.decoupled = message.startswith(b"many")
        self._message = message
        self._cancelled = cancelled
        self._released: asyncio.Queue[StreamedMessage | TritonError | None] = asyncio.Queue()
        self.taken = 0
        self._ended = False

    def release(self, *answers: bytes | TritonError, end: bool = True) -> None:
        """Let answers come, and the end behind them; an error is a message that says so."""
        for answer in answers:
            error = answer if isinstance(answer, TritonError) else None
            data = f"said {error.message}".encode() if error else answer
            assert isinstance(data, bytes)
            self._released.put_nowait(StreamedMessage(data, error))
        if end:
            self._released.put_nowait(None)

    def break_form(self, error: TritonError) -> None:
        """Let an answer come that has no form."""
        self._released.put_nowait(error)

    async def next(self) -> StreamedMessage | None:
        answer = await self._released.get()
        if isinstance(answer, TritonError):
            raise answer
        self._ended = answer is None
        self.taken += answer is not None
        return answer

    def close(self) -> None:
        if not self._ended:
            self._cancelled.append(self._message)


class _ScriptedInference:
    """Holds every request until the test answers it; b"bad" fails at once."""

    def __init__(self) -> None:
        self.wants_headers = False
        self.waiting: dict[bytes, _ScriptedMessages] = {}
        self.cancelled: list[bytes] = []
        self.error: Exception = NotFoundError("no such model")

    async def infer_protobuf(self, message: bytes, metadata: object) -> bytes:
        raise self.error

    def stream_protobuf(self, message: bytes, metadata: object) -> _ScriptedMessages:
        if message == b"bad":
            raise self.error
        self.waiting[message] = _ScriptedMessages(message, self.cancelled)
        return self.waiting[message]


async def _settle() -> None:
    """Let everything run that can."""
    for _ in range(100):
        await asyncio.sleep(0)


async def _each(*messages: bytes) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


def _calls(inference: _ScriptedInference, exiting: bool = False) -> Any:
    return InferCalls(inference, lambda: exiting, None)


async def test_stream_runs_requests_side_by_side_and_answers_in_order() -> None:
    inference, context = _ScriptedInference(), _Context()
    call = asyncio.ensure_future(
        _calls(inference).model_stream_infer(_each(b"a", b"b", b"c"), context)
    )
    await _settle()
    assert set(inference.waiting) == {b"a", b"b", b"c"}
    inference.waiting[b"c"].release(b"C")
    inference.waiting[b"b"].release(b"B")
    await _settle()
    assert context.written == []
    inference.waiting[b"a"].release(b"A")
    await call
    assert context.written == [b"A", b"B", b"C"]
    assert context.status is None


async def test_stream_reads_no_further_than_its_window() -> None:
    inference, context = _ScriptedInference(), _Context()
    messages = [str(number).encode() for number in range(3000)]
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(_each(*messages), context))
    for _ in range(100):
        await _settle()
    taken = len(inference.waiting)
    assert 1 < taken < 1100
    for _ in range(10):
        for message in list(released := inference.waiting):
            released.pop(message).release(message)
        for _ in range(100):
            await _settle()
    await call
    assert context.written == messages


async def test_decoupled_answers_are_written_as_they_come() -> None:
    inference, context = _ScriptedInference(), _Context()
    call = asyncio.ensure_future(
        _calls(inference).model_stream_infer(_each(b"a", b"many1", b"many2", b"b"), context)
    )
    await _settle()
    inference.waiting[b"many2"].release(b"2.1", end=False)
    inference.waiting[b"b"].release(b"B")
    await _settle()
    inference.waiting[b"many1"].release(b"1.1", b"1.2")
    await _settle()
    inference.waiting[b"many2"].release(b"2.2", b"2.3")
    await _settle()
    assert context.written == [b"2.1", b"1.1", b"1.2", b"2.2", b"2.3"], "b waits for a alone"
    inference.waiting[b"a"].release(b"A")
    await call
    assert context.written[5:] == [b"A", b"B"]
    assert inference.cancelled == []


async def test_decoupled_request_may_have_no_answer() -> None:
    inference, context = _ScriptedInference(), _Context()
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(_each(b"many"), context))
    await _settle()
    inference.waiting[b"many"].release()
    await call
    assert context.written == []


async def test_error_in_the_middle_is_one_answer_of_many() -> None:
    inference, context = _ScriptedInference(), _Context()
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(_each(b"many"), context))
    await _settle()
    answers = inference.waiting[b"many"]
    answers.release(b"1", InternalError("no"), end=False)
    answers.break_form(InternalError("too large"))
    answers.release(b"2")
    await call
    first, said, formless, last = context.written
    assert (first, said, last) == (b"1", b"said no", b"2")
    assert v2.ModelStreamInferResponse.FromString(formless).error_message == "too large"


async def test_error_in_the_middle_may_end_the_stream() -> None:
    inference, context = _ScriptedInference(), _Context(("triton_grpc_error", "true"))
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(_each(b"many"), context))
    await _settle()
    inference.waiting[b"many"].release(b"1", InternalError("no"), b"never")
    with pytest.raises(_Aborted):
        await call
    assert context.written == [b"1"]
    assert context.status == (grpc.StatusCode.INTERNAL, "no")


async def test_answers_wait_in_the_core_while_the_client_does_not_read() -> None:
    class _Stuck(_Context):
        async def write(self, message: bytes) -> None:
            self.written.append(message)
            await asyncio.get_running_loop().create_future()

    inference, context = _ScriptedInference(), _Stuck()
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(_each(b"many"), context))
    await _settle()
    answers = inference.waiting[b"many"]
    answers.release(*[b"x"] * 1000, end=False)
    for _ in range(20):
        await _settle()
    assert context.written == [b"x"]
    assert answers.taken < 100
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert inference.cancelled == [b"many"]


async def test_request_that_begins_as_its_stream_is_cancelled_is_cancelled_too() -> None:
    class _CancelsItsCall(_ScriptedInference):
        def stream_protobuf(self, message: bytes, metadata: object) -> _ScriptedMessages:
            call.cancel()  # is heard before the work on this request has begun
            return super().stream_protobuf(message, metadata)

    inference, context = _CancelsItsCall(), _Context()
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(_each(b"many"), context))
    with pytest.raises(asyncio.CancelledError):
        await call
    assert inference.cancelled == [b"many"]


async def test_failed_request_is_answered_inside_the_stream() -> None:
    inference, context = _ScriptedInference(), _Context()
    await _calls(inference).model_stream_infer(_each(b"bad"), context)
    (answer,) = context.written
    assert v2.ModelStreamInferResponse.FromString(answer).error_message == "no such model"
    assert context.status is None


async def test_client_may_ask_for_the_status_of_the_first_error() -> None:
    inference, context = _ScriptedInference(), _Context(("triton_grpc_error", "true"))
    call = asyncio.ensure_future(
        _calls(inference).model_stream_infer(_each(b"a", b"bad", b"never"), context)
    )
    await _settle()
    inference.waiting[b"a"].release(b"")
    with pytest.raises(_Aborted):
        await call
    assert len(context.written) == 1
    assert context.status == (grpc.StatusCode.NOT_FOUND, "no such model")
    await _settle()
    assert inference.cancelled == [b"never"]


async def test_cancelled_stream_cancels_every_request_of_it() -> None:
    inference, context = _ScriptedInference(), _Context()
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(_each(b"a", b"b"), context))
    await _settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await _settle()
    assert sorted(inference.cancelled) == [b"a", b"b"]


async def test_cancelled_stream_with_a_full_window_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    inference, context = _ScriptedInference(), _Context()
    messages = [str(number).encode() for number in range(3000)]
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(_each(*messages), context))
    for _ in range(100):
        await _settle()
    assert len(inference.waiting) < len(messages)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await _settle()
    assert asyncio.all_tasks() == before


async def test_stream_that_breaks_off_ends_after_its_answers() -> None:
    async def breaks_off() -> AsyncIterator[bytes]:
        yield b"a"
        raise asyncio.CancelledError

    inference, context = _ScriptedInference(), _Context()
    call = asyncio.ensure_future(_calls(inference).model_stream_infer(breaks_off(), context))
    await _settle()
    inference.waiting[b"a"].release(b"A")
    with pytest.raises(asyncio.CancelledError):
        await call
    assert context.written == [b"A"]


async def test_unary_call_ends_with_the_status_of_its_error() -> None:
    inference, context = _ScriptedInference(), _Context()
    with pytest.raises(_Aborted):
        await _calls(inference).model_infer(b"bad", context)
    assert context.status == (grpc.StatusCode.NOT_FOUND, "no such model")


async def test_exiting_server_has_a_text_of_its_own() -> None:
    inference, context = _ScriptedInference(), _Context()
    inference.error = UnavailableError("the scheduler stops")
    with pytest.raises(_Aborted):
        await _calls(inference, exiting=True).model_infer(b"bad", context)
    assert context.status == (
        grpc.StatusCode.UNAVAILABLE,
        "GRPC server is shutting down and has stopped accepting new requests.",
    )
