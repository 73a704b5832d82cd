"""Goal: the compiled link of calls says what the one in Python says, and leaves the rest to it.

Method: both read the same answers, whole, cut off and spoilt, and write the same requests, each
into memory of its own; then the compiled one sends, and reads what others are answered meanwhile.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy
import pytest

from tests.python.worker.fake_server import FIRST_BLOCK, INPUTS_SIZE, serialized
from tests.python.worker.linked import Memory, compiled_calls, python_calls
from tests.python.worker.message_parts import parameters, text
from tests.python.worker.pipes import Pipes, piped
from tritonpy.worker import _messages, wire
from tritonpy.worker.answer_message import Answer
from tritonpy.worker.call_link import CallLink
from tritonpy.worker.errors import TritonModelException
from tritonpy.worker.infer_message import infer_message
from tritonpy.worker.request import InferenceRequest
from tritonpy.worker.sending import Sender
from tritonpy.worker.tensor import Tensor

_MALFORMED: Final = (ValueError, IndexError, KeyError, TypeError, OverflowError, struct.error)
_LINKS: Final = (compiled_calls, python_calls)
_PLACE: Final = FIRST_BLOCK + 64
_DATA: Final = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)

Kind = Callable[[int, int, Memory], CallLink]


@pytest.fixture
def memory() -> Iterator[Memory]:
    """Arenas that nobody else uses."""
    arenas = Memory()
    os.pwrite(arenas.descriptors[0], _DATA.tobytes(), _PLACE)
    os.pwrite(arenas.descriptors[0], serialized([b"a", b""]), _PLACE + 64)
    yield arenas
    for descriptor in arenas.descriptors:
        os.close(descriptor)


def _linked(kind: Kind, memory: Memory) -> tuple[CallLink, Pipes]:
    server, worker = piped()
    return kind(*worker, memory), server


def _output(name: str, code: int, shape: tuple[int, ...], offset: int, size: int) -> bytes:
    head = struct.pack("<BBHIQQ", code, len(shape), 0, 0, offset, size)
    return text(name) + head + struct.pack(f"<{len(shape)}q", *shape)


def _answer(
    *outputs: bytes, call: int = 7, final: bool = True, error: str = "", values: Any = None
) -> bytes:
    given = parameters(values or {})  # their count first
    body = struct.pack("<QQIBBH", call, 4096, final, bool(error), 2, len(outputs))
    body += struct.pack("<QQ", _PLACE if outputs else 0, INPUTS_SIZE)
    return body + given[:4] + text(error) + given[4:] + b"".join(outputs)


_NUMBERS: Final = _output("Y", 11, (2, 3), 0, 24)
_STRINGS: Final = _output("é", 13, (2,), 64, 9)
_ANSWERS: Final = {
    "numbers": _answer(_NUMBERS),
    "all kinds": _answer(_NUMBERS, _STRINGS, _output("NONE", 11, (0, 4), 0, 0)),
    "an error": _answer(error="it bröke"),
    "nothing": _answer(),
    "not the last": _answer(_NUMBERS, final=False),
    "parameters": _answer(_NUMBERS, values={"a": 1, "b": "x", "c": True}),
}


def _said(answer: Answer | None) -> dict[str, Any]:
    assert answer is not None
    response = answer.response
    error = response.error()
    return {
        "call": answer.call,
        "charge": answer.charge,
        "is_final": answer.is_final,
        "error": error and (error.message(), error.code()),
        "parameters": response.parameters(),
        "outputs": [
            (tensor.name(), tensor.triton_dtype(), tensor.shape(), tensor._serialized)
            + (() if tensor._array is None else (tensor._array.dtype, tensor._array.tolist()))
            for tensor in response.output_tensors()
        ],
    }


def _outcome(link: CallLink, server: Pipes, body: bytes) -> dict[str, Any] | None:
    """Return what the link makes of an ANSWER, None where it says that this is none."""
    server.sendall(wire.message(wire.ANSWER, body))
    try:
        return _said(link.receive())
    except _MALFORMED:
        return None


@pytest.mark.parametrize("body", _ANSWERS.values(), ids=_ANSWERS)
def test_both_read_the_same(memory: Memory, body: bytes) -> None:
    compiled, in_python = (_outcome(*_linked(kind, memory), body) for kind in _LINKS)
    assert compiled is not None
    assert compiled == in_python


def test_both_refuse_what_is_cut_off(memory: Memory) -> None:
    body = _ANSWERS["all kinds"]
    links = [_linked(kind, memory) for kind in _LINKS]
    for size in range(len(body)):
        assert [_outcome(*linked, body[:size]) for linked in links] == [None, None]
    assert [_outcome(*linked, body + b"\0") for linked in links] == [None, None]


@pytest.mark.parametrize("kind", _LINKS)
@pytest.mark.parametrize("spoilt", [0x01, 0x7F, 0x80, 0xFF])
def test_what_is_spoilt_does_no_harm(memory: Memory, kind: Kind, spoilt: int) -> None:
    body = _ANSWERS["all kinds"]
    linked = _linked(kind, memory)
    for at in range(len(body)):
        _outcome(*linked, body[:at] + bytes((body[at] ^ spoilt,)) + body[at + 1 :])
    assert _outcome(*linked, body) is not None


@pytest.mark.parametrize("kind", _LINKS)
def test_the_server_may_go(memory: Memory, kind: Kind) -> None:
    link, server = _linked(kind, memory)
    server.close()
    assert link.receive() is None


@pytest.mark.parametrize("kind", _LINKS)
def test_memory_goes_back_when_nobody_uses_it(memory: Memory, kind: Kind) -> None:
    link, server = _linked(kind, memory)
    lent = struct.pack("<I", 1)
    for _ in range(2):  # a block that is known is found on another way
        os.pwrite(memory.descriptors[0], lent, FIRST_BLOCK)
        server.sendall(wire.message(wire.ANSWER, _ANSWERS["numbers"]))
        answer = link.receive()
        for is_kept in (True, False):
            if not is_kept:
                del answer
            server.sendall(wire.message(wire.ANSWER, _ANSWERS["nothing"]))
            link.receive()
            word = os.pread(memory.descriptors[0], 4, FIRST_BLOCK)
            assert (word == lent) == is_kept


def _request(*arrays: Any, **fields: Any) -> InferenceRequest:
    tensors = [Tensor(f"X{at}", array) for at, array in enumerate(arrays)]
    return InferenceRequest(model_name="other", inputs=tensors, **fields)


_ORDINARY: Final = {
    "one": _request(_DATA, requested_output_names=["Y"]),
    "many": _request(_DATA, numpy.array([True]), requested_output_names=["Z", "Y", "Z"]),
    "no inputs": _request(),
    "no elements": _request(numpy.empty((0, 4), numpy.float32)),
    "all fields": _request(
        _DATA,
        request_id="é",
        correlation_id=(1 << 64) - 1,
        model_version=3,
        flags=3,
        timeout=9,
        parameters={"a": 1, "b": "x"},
    ),
}


@pytest.mark.parametrize("is_decoupled", [False, True])
@pytest.mark.parametrize("request_", _ORDINARY.values(), ids=_ORDINARY)
def test_both_write_the_same(request_: InferenceRequest, is_decoupled: bool) -> None:
    compiled, in_python = Memory(), Memory()
    link, _ = _linked(compiled_calls, compiled)
    message = infer_message(
        request_, 5, in_python.inputs, in_python.outputs, is_decoupled=is_decoupled
    )
    assert link.infer(request_, 5, is_decoupled) == message
    sizes = [os.fstat(memory.descriptors[1]).st_size for memory in (compiled, in_python)]
    data = [os.pread(memory.descriptors[1], sizes[0], 0) for memory in (compiled, in_python)]
    assert data[0] == data[1]


_UNUSUAL: Final = {
    "strings": _request(numpy.array([b"a"], object)),
    "not contiguous": _request(_DATA.T),
    "large": _request(numpy.zeros(64 << 10, numpy.float32)),
    "text correlation": _request(_DATA, correlation_id="seq"),
    "label": _request(_DATA, model_version="canary"),
    "negative": _request(_DATA, timeout=-1),
    "too large": _request(_DATA, correlation_id=1 << 64),
    "flags": _request(_DATA, flags=1 << 32),
    "no number": _request(_DATA, timeout=1.5),
    "no text": _request(_DATA, requested_output_names=["\ud800"]),
    "ordinary, then not": _request(_DATA, numpy.array([b"a"], object)),
}


@pytest.mark.parametrize("request_", _UNUSUAL.values(), ids=_UNUSUAL)
def test_what_is_out_of_the_ordinary_is_left_to_python(
    memory: Memory, request_: InferenceRequest
) -> None:
    link, _ = _linked(compiled_calls, memory)
    assert link.infer(request_, 1, False) is None
    assert memory.outputs.size == 0  # nothing was lent


def test_a_lack_of_memory_is_told(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, start: int, size: int) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    link, _ = _linked(compiled_calls, memory)
    with pytest.raises(TritonModelException, match="Failed to increase the shared memory pool"):
        link.infer(_request(_DATA), 1, False)


def test_an_exchange_delivers_what_others_are_answered(memory: Memory) -> None:
    link, server = _linked(compiled_calls, memory)
    for call in (3, 9, 7):
        server.sendall(wire.message(wire.ANSWER, _answer(_NUMBERS, call=call)))
    others: list[Answer] = []
    answer = link.exchange(b"message", 7, others.append)
    assert answer is not None
    assert [each.call for each in (*others, answer)] == [3, 9, 7]
    assert server.recv(100) == b"message"


def test_an_exchange_waits_for_its_answer(memory: Memory) -> None:
    link, server = _linked(compiled_calls, memory)

    def serve() -> None:
        server.recv(100)
        server.sendall(wire.message(wire.ANSWER, _answer(call=7)))

    serving = threading.Thread(target=serve)
    serving.start()
    answer = link.exchange(b"message", 7, lambda answer: None)
    serving.join()
    assert answer is not None
    assert answer.call == 7


def test_an_exchange_says_that_the_server_has_gone(memory: Memory) -> None:
    link, server = _linked(compiled_calls, memory)
    os.close(server._writing)
    server._writing = -1
    with pytest.raises(ConnectionError):
        link.exchange(b"message", 7, lambda answer: None)


def test_no_exchange_begins_where_it_could_not_send_at_once(memory: Memory) -> None:
    link, server = _linked(compiled_calls, memory)
    assert link.exchange(b"x" * 4097, 7, lambda answer: None) is None
    server.close()
    assert link.exchange(b"message", 7, lambda answer: None) is None


def test_no_exchange_begins_within_a_message_of_another_thread(memory: Memory) -> None:
    server, worker = piped()
    sender = Sender(worker[1])
    link = _messages.CallLink(*worker, _messages.Memory(memory.inputs, memory.outputs), sender)
    with sender.lock:
        assert link.exchange(b"message", 7, lambda answer: None) is None
    sender.send(b"other")
    assert server.recv(100) == b"other"


def test_the_link_in_python_leaves_exchanges_to_its_caller(memory: Memory) -> None:
    link, server = _linked(python_calls, memory)
    assert link.exchange(b"message", 7, lambda answer: None) is None
    server.sendall(wire.message(wire.ANSWER, _ANSWERS["nothing"]))
    assert _said(link.receive())["call"] == 7
