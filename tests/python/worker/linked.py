"""Links of both kinds, and what the server's side of them would be: memory and pipes."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Final

from tests.python.worker.conftest import tensor
from tests.python.worker.fake_server import (
    FIRST_BLOCK,
    INPUTS_SIZE,
    Request,
    execute_body,
    laid_out,
    pieces_of,
)
from tests.python.worker.pipes import piped
from tritonpy.worker import _messages, wire
from tritonpy.worker.batch_link import BatchLink, PythonBatchLink
from tritonpy.worker.call_link import CallLink, PythonCallLink
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.request import InferenceRequest
from tritonpy.worker.sending import Sender

SIGNATURE: Final = ModelSignature(
    "m",
    "m_0",
    [tensor("IN"), tensor("TEXT", "TYPE_STRING"), tensor("INT", "TYPE_INT64")],
    [
        tensor("OUT"),
        tensor("TEXT", "TYPE_STRING"),
        tensor("FLAGS", "TYPE_BOOL"),
        tensor("BITS", "TYPE_BF16"),
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


def compiled_batches(execute: int, executed: int, memory: Memory) -> BatchLink:
    """Return a link of the extension's."""
    compiled = _messages.Memory(memory.inputs, memory.outputs)
    return _messages.BatchLink(execute, executed, SIGNATURE, compiled)


def python_batches(execute: int, executed: int, memory: Memory) -> BatchLink:
    """Return a link in Python."""
    return PythonBatchLink(execute, executed, SIGNATURE, memory.inputs)


def compiled_calls(answers: int, calls: int, memory: Memory) -> CallLink:
    """Return a link of the extension's."""
    compiled = _messages.Memory(memory.inputs, memory.outputs)
    return _messages.CallLink(answers, calls, compiled, Sender(calls))


def python_calls(answers: int, _: int, memory: Memory) -> CallLink:
    """Return a link in Python."""
    return PythonCallLink(answers, memory.inputs)


class Linked:
    """A link of batches, and the server's end of its pipes."""

    def __init__(self, kind: Callable[[int, int, Memory], BatchLink], memory: Memory) -> None:
        self.server, worker = piped()
        self.link = kind(*worker, memory)

    def receive(self, body: bytes) -> list[InferenceRequest]:
        """Send a batch and return what the link makes of it."""
        self.server.sendall(struct.pack("<IHH", len(body), wire.EXECUTE, 0) + body)
        requests = self.link.receive()
        assert requests is not None
        return requests
