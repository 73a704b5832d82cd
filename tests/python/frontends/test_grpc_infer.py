"""Goal: inference calls keep order, bound what they take in, and cancel what nobody waits for.

Method: a scripted inference whose answers the test releases, and a context that records.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
import pytest

from tritonpy.errors import NotFoundError, UnavailableError
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


class _ScriptedInference:
    """Holds every request until the test answers it; b"bad" fails at once."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self.cancelled: list[bytes] = []
        self.error: Exception = NotFoundError("no such model")

    async def infer_protobuf(self, message: bytes) -> bytes:
        if message == b"bad":
            raise self.error
        self.waiting[message] = asyncio.get_running_loop().create_future()
        try:
            return await self.waiting[message]
        except asyncio.CancelledError:
            self.cancelled.append(message)
            raise

    async def infer_stream_protobuf(self, message: bytes) -> bytes:
        return await self.infer_protobuf(message)


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
    inference.waiting[b"c"].set_result(b"C")
    inference.waiting[b"b"].set_result(b"B")
    await _settle()
    assert context.written == []
    inference.waiting[b"a"].set_result(b"A")
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
        for message, answer in inference.waiting.items():
            if not answer.done():
                answer.set_result(message)
        for _ in range(100):
            await _settle()
    await call
    assert context.written == messages


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
    inference.waiting[b"a"].set_result(b"")
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
    inference.waiting[b"a"].set_result(b"A")
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
