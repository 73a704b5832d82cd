"""Goal: the compiled link says what the one in Python says, and leaves the rest to it.

Method: both receive the same messages, whole, cut off and spoilt, and write what the same models
returned, each into memory of its own.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy
import pytest
from numpy.typing import NDArray

from tests.python.worker.fake_server import FIRST_BLOCK, Request, fp32, serialized
from tests.python.worker.linked import (
    SIGNATURE,
    Linked,
    Memory,
    compiled_batches,
    python_batches,
)
from tritonpy.worker import wire
from tritonpy.worker.batch_link import BatchLink
from tritonpy.worker.data_types import CODES
from tritonpy.worker.errors import TritonError, TritonModelException
from tritonpy.worker.request import InferenceRequest
from tritonpy.worker.response import InferenceResponse
from tritonpy.worker.response_message import ResponseWriter
from tritonpy.worker.tensor import Tensor

_MALFORMED: Final = (ValueError, IndexError, TypeError, OverflowError, struct.error)
_LINKS: Final = (compiled_batches, python_batches)


@pytest.fixture
def memory() -> Iterator[Memory]:
    """Arenas that nobody else uses."""
    arenas = Memory()
    yield arenas
    for descriptor in arenas.descriptors:
        os.close(descriptor)


_BATCH: Final = (
    Request({0: fp32([[1.0, 2.0]])}, timeout_us=7, priority=2, flags=3, cancel_index=5),
    Request({1: ((2,), serialized([b"a", b""])), 2: ((0,), b"")}, outputs=(0, 2)),
    Request({0: fp32(4.0)}, outputs=(), request_id="é", correlation=1 << 63),
    Request({0: fp32([5.0])}, correlation="seq", parameters={"a": True, "b": -1, "c": 1.5}),
)


def _outcome(linked: Linked, body: bytes) -> list[dict[str, Any]] | None:
    """Return what the link makes of a message, None where it says that this is none."""
    try:
        return _said(linked.receive(body))
    except _MALFORMED:
        return None


def _said(requests: list[InferenceRequest]) -> list[dict[str, Any]]:
    """Return every attribute of requests, tensors as theirs."""
    attributes = []
    for request in requests:
        said = {name: getattr(request, name) for name in InferenceRequest.__slots__}
        said["_inputs"] = [
            {
                **{name: getattr(each, name) for name in Tensor.__slots__},
                "_array": None if each._array is None else each._array.tolist(),
                "dtype": None if each._array is None else each._array.dtype,
            }
            for each in request.inputs()
        ]
        attributes.append(said)
    return attributes


def test_both_read_the_same(memory: Memory) -> None:
    message = memory.message(*_BATCH)
    compiled, in_python = (_outcome(Linked(kind, memory), message) for kind in _LINKS)
    assert compiled is not None
    assert compiled == in_python
    assert [request["_id"] for request in compiled] == ["", "", "é", ""]
    assert compiled[1]["_inputs"][0]["_serialized"] == serialized([b"a", b""])


def test_both_refuse_what_is_cut_off(memory: Memory) -> None:
    message = memory.message(*_BATCH)
    links = [Linked(kind, memory) for kind in _LINKS]
    for size in range(len(message)):
        assert [_outcome(linked, message[:size]) for linked in links] == [None, None]
    assert [_outcome(linked, message + b"\0") for linked in links] == [None, None]


@pytest.mark.parametrize("spoilt", [0x00, 0x01, 0x7F, 0x80, 0xFF])
def test_both_make_the_same_of_what_is_spoilt(memory: Memory, spoilt: int) -> None:
    message = memory.message(*_BATCH)
    links = [Linked(kind, memory) for kind in _LINKS]
    for at in range(len(message)):
        changed = message[:at] + bytes((message[at] ^ spoilt,)) + message[at + 1 :]
        compiled, in_python = (_outcome(linked, changed) for linked in links)
        assert compiled == in_python, f"byte {at} of the message"


@pytest.mark.parametrize("kind", _LINKS)
def test_batches_arrive_in_pieces_together_and_large(
    memory: Memory, kind: Callable[[int, int, Memory], BatchLink]
) -> None:
    linked = Linked(kind, memory)
    body = memory.message(Request({0: fp32([1.0])}, request_id="x" * 300_000))
    message = struct.pack("<IHH", len(body), wire.EXECUTE, 0) + body
    sending = threading.Thread(target=linked.server.sendall, args=(message * 2 + message[:5],))
    sending.start()
    for _ in range(2):
        requests = linked.link.receive()
        assert requests is not None
        assert [len(request.request_id()) for request in requests] == [300_000]
    sending.join()
    rest = threading.Thread(target=linked.server.sendall, args=(message[5:],))
    rest.start()
    assert linked.link.receive() is not None
    rest.join()


@pytest.mark.parametrize("kind", _LINKS)
def test_the_server_may_go(memory: Memory, kind: Callable[[int, int, Memory], BatchLink]) -> None:
    linked = Linked(kind, memory)
    (request,) = linked.receive(memory.message(Request({0: fp32([1.0])})))
    del request
    linked.server.close()
    assert linked.link.receive() is None
    assert linked.link.answer(b"") is False


@pytest.mark.parametrize("kind", _LINKS)
@pytest.mark.parametrize(
    ("length", "message_kind"), [(0, wire.ANSWER), (0, 0), (0, 77), ((64 << 20) + 1, wire.EXECUTE)]
)
def test_other_messages_are_refused(
    memory: Memory, kind: Callable[[int, int, Memory], BatchLink], length: int, message_kind: int
) -> None:
    linked = Linked(kind, memory)
    linked.server.sendall(struct.pack("<IHH", length, message_kind, 0))
    with pytest.raises(ValueError, match=r"malformed message|no EXECUTE|at most 67108864"):
        linked.link.receive()


@pytest.mark.parametrize("kind", _LINKS)
def test_answers_are_framed_and_inputs_go_back(
    memory: Memory, kind: Callable[[int, int, Memory], BatchLink]
) -> None:
    linked = Linked(kind, memory)
    lent = struct.pack("<I", 1)
    os.pwrite(memory.descriptors[0], lent, FIRST_BLOCK)
    for _ in range(2):  # a block that is known is found on another way
        (request,) = linked.receive(memory.message(Request({0: fp32([1.0])})))
        kept = request.inputs()[0].as_numpy()
        del request
        for is_kept in (True, False):
            if not is_kept:
                del kept
            assert linked.link.answer(b"body") is True
            assert linked.server.recv(100) == struct.pack("<IHH", 4, wire.EXECUTED, 0) + b"body"
            word = os.pread(memory.descriptors[0], 4, FIRST_BLOCK)
            assert (word == lent) == is_kept
        os.pwrite(memory.descriptors[0], lent, FIRST_BLOCK)


def test_signals_are_seen_while_it_waits(memory: Memory) -> None:
    class _SeenError(Exception):
        pass

    def raise_seen(number: int, frame: object) -> None:
        raise _SeenError

    linked = Linked(compiled_batches, memory)
    before = signal.signal(signal.SIGALRM, raise_seen)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        with pytest.raises(_SeenError):
            linked.link.receive()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _requests(memory: Memory, *requests: Request) -> list[InferenceRequest]:
    return Linked(compiled_batches, memory).receive(memory.message(*requests))


def _link(memory: Memory) -> BatchLink:
    return Linked(compiled_batches, memory).link


def _answer(*outputs: tuple[str, NDArray[Any]], **options: Any) -> InferenceResponse:
    return InferenceResponse([Tensor(name, array) for name, array in outputs], **options)


def _bits(values: list[int]) -> Tensor:
    """Return a BF16 tensor."""
    bits = Tensor("BITS", numpy.array(values, numpy.uint16))
    bits._code = CODES["TYPE_BF16"]
    return bits


_OUT: Final = ("OUT", numpy.arange(6, dtype=numpy.float32).reshape(2, 3))
_ORDINARY: Final[dict[str, list[InferenceResponse]]] = {
    "one": [_answer(_OUT)],
    "two": [_answer(_OUT), _answer(("OUT", numpy.ones(1, numpy.float32)))],
    "many outputs": [
        InferenceResponse(
            [
                _bits([1, 2]),
                Tensor("FLAGS", numpy.array([True, False, True])),
                Tensor(*_OUT),
            ]
        )
    ],
    "no dimensions": [_answer(("OUT", numpy.array(2, numpy.float32)))],
    "no elements": [_answer(("OUT", numpy.empty((0, 4), numpy.float32)))],
    "no outputs": [_answer(), _answer(_OUT)],
    "empty parameters": [_answer(_OUT, parameters={})],
    "other byte order": [_answer(("OUT", numpy.array([1, 2], ">f4")))],
}


@pytest.mark.parametrize("wanted", [None, (), (0,), (2, 0)])
@pytest.mark.parametrize("responses", _ORDINARY.values(), ids=_ORDINARY)
def test_both_write_the_same(
    responses: list[InferenceResponse], wanted: tuple[int, ...] | None
) -> None:
    compiled, in_python = Memory(), Memory()
    requests = _requests(compiled, *(Request(outputs=wanted) for _ in responses))
    body = _link(compiled).executed(requests, responses)
    answers = [(0, response, wanted) for response in responses]
    assert body == ResponseWriter(SIGNATURE, in_python.inputs, in_python.outputs).executed(answers)
    sizes = [os.fstat(memory.descriptors[1]).st_size for memory in (compiled, in_python)]
    data = [os.pread(memory.descriptors[1], sizes[0], 0) for memory in (compiled, in_python)]
    assert data[0] == data[1]


_LARGE: Final = numpy.zeros(64 << 10, numpy.float32)
_UNUSUAL: Final[dict[str, Any]] = {
    "nothing": None,
    "no list": (_answer(_OUT),),
    "too few": [],
    "too many": [_answer(_OUT), _answer(_OUT)],
    "no response": [None],
    "something else": ["response"],
    "an error": [InferenceResponse(error=TritonError("it broke"))],
    "parameters": [_answer(_OUT, parameters={"a": 1})],
    "strings": [_answer(("TEXT", numpy.array([b"a"], object)))],
    "unknown": [_answer(("ELSE", numpy.zeros(1, numpy.float32)))],
    "wrong type": [_answer(("OUT", numpy.zeros(1, numpy.float64)))],
    "not contiguous": [_answer(("OUT", _OUT[1].T))],
    "large": [_answer(("OUT", _LARGE))],
    "ordinary, then not": [_answer(_OUT, ("ELSE", numpy.zeros(1, numpy.float32)))],
}


@pytest.mark.parametrize("responses", _UNUSUAL.values(), ids=_UNUSUAL)
def test_what_is_out_of_the_ordinary_is_left_to_be_judged(memory: Memory, responses: Any) -> None:
    link = _link(memory)
    assert link.executed(_requests(memory, Request()), responses) is None
    assert memory.outputs.size == 0  # nothing was lent


def test_requests_that_outlive_their_batch_are_left_to_be_judged(memory: Memory) -> None:
    link = _link(memory)
    (with_sender,) = _requests(memory, Request())
    with_sender._open_reply()
    (released,) = _requests(memory, Request())
    released.set_release_flags(2)
    for request in (with_sender, released):
        assert link.executed([request], [_answer(_OUT)]) is None


def test_a_lack_of_memory_is_told(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, start: int, size: int) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    link = _link(memory)
    with pytest.raises(TritonModelException, match="Failed to increase the shared memory pool"):
        link.executed(_requests(memory, Request()), [_answer(_OUT)])


def test_blocks_of_every_size_are_used_again(memory: Memory) -> None:
    link = _link(memory)
    (request,) = _requests(memory, Request())
    grown = set()
    for _ in range(3):
        for count in (1, 2000, 10_000, 60_000):
            body = link.executed([request], [_answer(("OUT", numpy.ones(count, numpy.float32)))])
            assert body is not None
            (place,) = struct.unpack_from("<Q", body, 28)
            assert os.pread(memory.descriptors[1], 4, place - 64) == struct.pack("<I", 1)
            os.pwrite(memory.descriptors[1], bytes(4), place - 64)
            grown.add(place)
    assert len(grown) == 4


def test_blocks_outlive_the_segment_that_they_were_cut_from(memory: Memory) -> None:
    link = _link(memory)
    (request,) = _requests(memory, Request())
    for _ in range(2):
        for _ in range(300):  # more than a segment, of 4 KiB each
            assert link.executed([request], [_answer(_OUT)]) is not None
        size = os.fstat(memory.descriptors[1]).st_size
        assert size > 1 << 20
        for at in range(0, size, 4096):
            os.pwrite(memory.descriptors[1], struct.pack("<I", 0), at)
    assert os.fstat(memory.descriptors[1]).st_size == size


def test_lent_blocks_are_left_alone(memory: Memory) -> None:
    link = _link(memory)
    (request,) = _requests(memory, Request())
    response = _answer(_OUT)
    places = set()
    for _ in range(40):
        body = link.executed([request], [response])
        assert body is not None
        places.add(struct.unpack_from("<Q", body, 28)[0])
    assert len(places) == 40
    assert memory.outputs.lend(10).data_place not in places


def test_nothing_is_left_behind(memory: Memory) -> None:
    message = memory.message(*_BATCH)
    linked = Linked(compiled_batches, memory)

    def serve() -> None:
        for size in (len(message), len(message) - 1):
            try:
                requests = linked.receive(message[:size])
            except ValueError:
                continue
            body = linked.link.executed(requests, [_answer(_OUT) for _ in requests])
            assert body is not None
            assert linked.link.executed(requests, [_answer(_OUT), None, None, None]) is None
            requests.clear()
            assert linked.link.answer(body)
            linked.server.recv(1 << 16)
            (place,) = struct.unpack_from("<Q", body, 28)
            os.pwrite(memory.descriptors[1], bytes(4), place - 64)

    for _ in range(100):
        serve()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        serve()
    assert sys.getallocatedblocks() - before < 100
