"""Goal: a request to another model that cannot be sent says why, and takes no shared memory.

Method: `Bls` without a server, and a look at what its memory has grown by.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from tests.python.worker.linked import SIGNATURE
from tests.python.worker.pipes import piped
from tritonpy.worker.bls import Bls
from tritonpy.worker.calls import Calls
from tritonpy.worker.errors import TritonModelException
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.links import links
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.request import InferenceRequest
from tritonpy.worker.sending import Sender
from tritonpy.worker.tensor import Tensor


@pytest.fixture
def outputs() -> Iterator[OutputArena]:
    """The memory that inputs of such requests are written to."""
    memory = os.memfd_create("outputs")
    yield OutputArena(memory)
    os.close(memory)


@pytest.fixture
def bls(outputs: OutputArena) -> Iterator[Bls]:
    """Asks nobody: nothing may come as far as the pipe."""
    memory = os.memfd_create("inputs")
    inputs = InputArena(memory)
    heard, calls = os.pipe()
    sender = Sender(calls)
    _, link = links(piped()[1], (os.pipe()[0], calls), sender, SIGNATURE, inputs, outputs)
    bls = Bls(Calls(link, sender, inputs, outputs))
    bls.is_open = True
    yield bls
    assert not select.select([heard], [], [], 0)[0]
    os.close(heard)
    os.close(memory)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"model_version": 1 << 63}, "has a number that is out of range"),
        ({"model_version": None}, "has a number that is out of range"),
        ({"timeout": -1}, "has a number that is out of range"),
        ({"model_version": "\ud800"}, "surrogates not allowed"),
        ({"requested_output_names": ["\ud800"]}, "surrogates not allowed"),
    ],
)
def test_what_cannot_be_written_is_said(
    bls: Bls, outputs: OutputArena, fields: dict[str, Any], problem: str
) -> None:
    tensor = Tensor("X", numpy.zeros(4, numpy.float32))
    request = InferenceRequest(model_name="other", inputs=[tensor], **fields)
    with pytest.raises((TritonModelException, UnicodeEncodeError), match=problem):
        bls.execute(request, decoupled=False)
    assert outputs.size == 0
