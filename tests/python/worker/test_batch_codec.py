"""Goal: the compiled codec says what the one in Python says, and leaves the rest to it.

Method: both read the same messages, whole, cut off and spoilt, and write what the same models
returned, each into memory of its own.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy
import pytest
from numpy.typing import NDArray

from tests.python.worker.conftest import tensor as tensor_config
from tests.python.worker.fake_server import (
    FIRST_BLOCK,
    INPUTS_SIZE,
    Request,
    execute_body,
    fp32,
    laid_out,
    pieces_of,
    serialized,
)
from tritonpy.worker._batch_codec import BatchCodec as CompiledCodec
from tritonpy.worker.batch_codec import BatchCodec, PythonBatchCodec, batch_codec
from tritonpy.worker.data_types import CODES
from tritonpy.worker.errors import TritonError, TritonModelException
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.request import InferenceRequest
from tritonpy.worker.response import InferenceResponse
from tritonpy.worker.response_message import ResponseWriter
from tritonpy.worker.tensor import Tensor

_MALFORMED: Final = (ValueError, IndexError, TypeError, OverflowError, struct.error)
_CODECS: Final = (CompiledCodec, PythonBatchCodec)
_SIGNATURE: Final = ModelSignature(
    "m",
    "m_0",
    [tensor_config("IN"), tensor_config("TEXT", "TYPE_STRING"), tensor_config("INT", "TYPE_INT64")],
    [
        tensor_config("OUT"),
        tensor_config("TEXT", "TYPE_STRING"),
        tensor_config("FLAGS", "TYPE_BOOL"),
        tensor_config("BITS", "TYPE_BF16"),
    ],
    is_decoupled=False,
)


class Memory:
    """The arenas of a worker, and the server's writing to one of them."""

    def __init__(self) -> None:
        self.descriptors = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("in", "out")]
        os.ftruncate(self.descriptors[0], INPUTS_SIZE)
        self.inputs = InputArena(self.descriptors[0])
        self.outputs = OutputArena(self.descriptors[1])

    def message(self, *requests: Request) -> bytes:
        """Write the tensors of a batch, and return its message."""
        place, pieces = FIRST_BLOCK + 64, pieces_of(requests)
        offsets, _ = laid_out(pieces)
        for offset, data in zip(offsets, pieces, strict=True):
            os.pwrite(self.descriptors[0], data, place + offset)
        return execute_body(requests, place, offsets, 1)


@pytest.fixture
def memory() -> Iterator[Memory]:
    """Arenas that nobody else uses."""
    arenas = Memory()
    yield arenas
    for descriptor in arenas.descriptors:
        os.close(descriptor)


def _codec(kind: Callable[..., BatchCodec], memory: Memory) -> BatchCodec:
    return kind(_SIGNATURE, memory.inputs, memory.outputs)


_BATCH: Final = (
    Request({0: fp32([[1.0, 2.0]])}, timeout_us=7, priority=2, flags=3, cancel_index=5),
    Request({1: ((2,), serialized([b"a", b""])), 2: ((0,), b"")}, outputs=(0, 2)),
    Request({0: fp32(4.0)}, outputs=(), request_id="é", correlation=1 << 63),
    Request({0: fp32([5.0])}, correlation="seq", parameters={"a": True, "b": -1, "c": 1.5}),
)


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


def _outcome(codec: BatchCodec, message: bytes) -> list[dict[str, Any]] | None:
    """Return what a codec reads, None where it says that this is no message."""
    try:
        return _said(codec.read(bytearray(b"...") + message, 3, 3 + len(message)))
    except _MALFORMED:
        return None


def test_this_interpreter_has_the_compiled_codec(memory: Memory) -> None:
    codec = batch_codec(_SIGNATURE, memory.inputs, memory.outputs)
    assert isinstance(codec, CompiledCodec)


def test_both_read_the_same(memory: Memory) -> None:
    message = memory.message(*_BATCH)
    compiled, in_python = (_outcome(_codec(kind, memory), message) for kind in _CODECS)
    assert compiled is not None
    assert compiled == in_python
    assert [request["_id"] for request in compiled] == ["", "", "é", ""]
    assert compiled[1]["_inputs"][0]["_serialized"] == serialized([b"a", b""])


def test_both_refuse_what_is_cut_off(memory: Memory) -> None:
    message = memory.message(*_BATCH)
    codecs = [_codec(kind, memory) for kind in _CODECS]
    for size in range(len(message)):
        assert [_outcome(codec, message[:size]) for codec in codecs] == [None, None]
    assert [_outcome(codec, message + b"\0") for codec in codecs] == [None, None]


@pytest.mark.parametrize("spoilt", [0x00, 0x01, 0x7F, 0x80, 0xFF])
def test_both_make_the_same_of_what_is_spoilt(memory: Memory, spoilt: int) -> None:
    message = memory.message(*_BATCH)
    codecs = [_codec(kind, memory) for kind in _CODECS]
    for at in range(len(message)):
        changed = message[:at] + bytes((message[at] ^ spoilt,)) + message[at + 1 :]
        compiled, in_python = (_outcome(codec, changed) for codec in codecs)
        assert compiled == in_python, f"byte {at} of the message"


def test_places_outside_of_the_buffer_are_refused(memory: Memory) -> None:
    codec = _codec(CompiledCodec, memory)
    for at, end in ((-1, 4), (2, 1), (0, 9)):
        with pytest.raises(ValueError, match="malformed EXECUTE message"):
            codec.read(bytearray(8), at, end)
    with pytest.raises(ValueError, match="malformed EXECUTE message"):
        codec.read(b"no bytearray", 0, 4)  # type: ignore[arg-type]


def _requests(memory: Memory, *requests: Request) -> list[InferenceRequest]:
    message = memory.message(*requests)
    return _codec(CompiledCodec, memory).read(bytearray(message), 0, len(message))


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
    body = _codec(CompiledCodec, compiled).executed(requests, responses)
    answers = [(0, response, wanted) for response in responses]
    assert body == ResponseWriter(_SIGNATURE, in_python.inputs, in_python.outputs).executed(answers)
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
    codec = _codec(CompiledCodec, memory)
    assert codec.executed(_requests(memory, Request()), responses) is None
    assert memory.outputs.size == 0  # nothing was lent


def test_requests_that_outlive_their_batch_are_left_to_be_judged(memory: Memory) -> None:
    codec = _codec(CompiledCodec, memory)
    (with_sender,) = _requests(memory, Request())
    with_sender._open_reply()
    (released,) = _requests(memory, Request())
    released.set_release_flags(2)
    for request in (with_sender, released):
        assert codec.executed([request], [_answer(_OUT)]) is None


def test_a_lack_of_memory_is_told(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, start: int, size: int) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    codec = _codec(CompiledCodec, memory)
    with pytest.raises(TritonModelException, match="Failed to increase the shared memory pool"):
        codec.executed(_requests(memory, Request()), [_answer(_OUT)])


def test_nothing_is_left_behind(memory: Memory) -> None:
    message = bytearray(memory.message(*_BATCH))
    codec = _codec(CompiledCodec, memory)

    def serve() -> None:
        for size in (len(message), len(message) - 1):
            try:
                requests = codec.read(message, 0, size)
            except ValueError:
                continue
            assert codec.executed(requests, [_answer(_OUT) for _ in requests]) is not None
            assert codec.executed(requests, [_answer(_OUT), None, None, None]) is None
            requests.clear()
            memory.inputs.release()
        for blocks in memory.outputs._classes:
            for block in blocks:
                block.words[block.word] = 0

    for _ in range(100):
        serve()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        serve()
    assert sys.getallocatedblocks() - before < 100
