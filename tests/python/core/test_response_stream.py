"""Goal: the responses of one request come in their order, and closing cancels what would follow.

Method: streams over scripted responses; the real core is behind the tests of the front ends.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tritonpy import _core
from tritonpy.core.response_stream import MessageStream, ResponseStream, TensorStream
from tritonpy.errors import InternalError


class _Pending:
    decoupled = True

    def __init__(self, *, wants_empty_final: bool = False) -> None:
        self.wants_empty_final = wants_empty_final
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _Response:
    model_name, model_version = "m", 1

    def __init__(self, text: str, *, final: bool = False, empty: bool = False) -> None:
        self.text = text
        self.final = final or empty
        self.is_empty_final = empty

    def raise_if_failed(self) -> None:
        if self.text.startswith("!"):
            raise _core.StatusError(1, self.text)  # the second code: internal

    def encode_stream_protobuf(self) -> bytes:
        if self.text == "too large":
            raise _core.StatusError(1, self.text)
        return self.text.encode()

    def parameters(self) -> dict[str, str]:
        return {"text": self.text}

    def outputs(self) -> list[object]:
        return []


def _stream(pending: _Pending, *responses: _Response) -> ResponseStream:
    made: Any = pending
    stream = ResponseStream(made)
    for response in responses:
        arrived: Any = response
        stream.arrive(arrived)
    return stream


def _texts(result: Any) -> str:
    return result.message if isinstance(result, InternalError) else result.parameters["text"]


async def test_responses_come_in_their_order_and_then_the_end() -> None:
    stream = TensorStream(
        _stream(_Pending(), _Response("1"), _Response("!no"), _Response("2", final=True))
    )
    assert [_texts(await stream.next()) for _ in range(3)] == ["1", "!no", "2"]
    assert await stream.next() is None
    assert await stream.next() is None


async def test_end_that_brings_nothing_is_no_response() -> None:
    stream = TensorStream(_stream(_Pending(), _Response("1"), _Response("", empty=True)))
    assert _texts(await stream.next()) == "1"
    assert await stream.next() is None
    assert await stream.next() is None


async def test_reader_that_came_first_hears_of_every_response() -> None:
    responses = _stream(_Pending())
    stream = TensorStream(responses)
    assert stream.next_now() is None
    reading = asyncio.ensure_future(stream.next())
    await asyncio.sleep(0)
    for number in range(3):
        made: Any = _Response(str(number), final=number == 2)
        responses.arrive(made)
    assert _texts(await reading) == "0"
    assert _texts(stream.next_now()) == "1"
    assert _texts(await stream.next()) == "2"
    assert await stream.next() is None


@pytest.mark.parametrize(
    ("responses", "reads", "cancels"),
    [
        ((), 0, True),
        ((_Response("1"),), 1, True),
        ((_Response("1"), _Response("2", final=True)), 1, False),
        ((_Response("1", final=True),), 1, False),
    ],
)
async def test_closing_cancels_when_more_would_come(
    responses: tuple[_Response, ...], reads: int, cancels: bool
) -> None:
    pending = _Pending()
    stream = _stream(pending, *responses)
    for _ in range(reads):
        assert await stream.next() is not None
    stream.close()
    assert pending.cancelled is cancels
    late: Any = _Response("late", final=True)
    stream.arrive(late)
    assert stream.next_now() is None
    assert await stream.next() is None


@pytest.mark.parametrize("wanted", [True, False])
async def test_empty_end_is_a_message_for_whom_wants_it(wanted: bool) -> None:
    pending = _Pending(wants_empty_final=wanted)
    stream = MessageStream(_stream(pending, _Response("1"), _Response("end", empty=True)))
    messages = []
    while (message := await stream.next()) is not None:
        messages.append(message.data)
    assert messages == ([b"1", b"end"] if wanted else [b"1"])


async def test_message_that_says_an_error_has_it_too() -> None:
    stream = MessageStream(_stream(_Pending(), _Response("!no"), _Response("1", final=True)))
    failed, last = await stream.next(), await stream.next()
    assert failed is not None
    assert failed.data == b"!no"
    assert isinstance(failed.error, InternalError)
    assert last is not None
    assert last.error is None


async def test_message_that_has_no_form_is_an_error_and_not_the_end() -> None:
    stream = MessageStream(_stream(_Pending(), _Response("too large"), _Response("1", final=True)))
    with pytest.raises(InternalError, match="too large"):
        await stream.next()
    last = await stream.next()
    assert last is not None
    assert last.data == b"1"
