"""Reading EXECUTE: the requests of a batch. Every request of every batch goes through here."""

from __future__ import annotations

from struct import Struct
from typing import Final

from tritonpy.worker import parameters as parameters_
from tritonpy.worker import wire
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.request import InferenceRequest, received
from tritonpy.worker.tensor import received as received_tensor

_BATCH: Final = Struct("<QQI")
# The last number is the size of what few requests have: texts and parameters.
_REQUEST: Final = Struct("<QQQQIIHHB3xI")
_REQUEST_SIZE: Final = _REQUEST.size
_INPUT: Final = Struct("<HHQQ")


def read_batch(
    buffer: bytearray, at: int, end: int, signature: ModelSignature, arena: InputArena
) -> list[InferenceRequest]:
    """Return the requests in `buffer[at:end]`, whose tensors are views of the arena.

    ValueError, IndexError or struct.error where the message is not well-formed.
    """
    place, arena_size, count = _BATCH.unpack_from(buffer, at)
    block = arena.block(place, arena_size) if place else None
    at += 20
    names, codes, all_dims = signature.input_names, signature.input_codes, wire.DIMS
    requests = []
    for _ in range(count):
        head = _REQUEST.unpack_from(buffer, at)
        at += _REQUEST_SIZE
        extras = None
        if head[9]:
            extras = read_extras(buffer[at : at + head[9]])
            at += head[9]
        inputs = []
        for _ in range(head[6]):
            index, dim_count, offset, size = _INPUT.unpack_from(buffer, at)
            at += 20
            dims = all_dims[dim_count].unpack_from(buffer, at)
            at += dim_count << 3
            inputs.append(received_tensor(names[index], codes[index], dims, block, offset, size))
        outputs = None
        if head[7] != wire.ALL_OUTPUTS:
            outputs = Struct(f"<{head[7]}H").unpack_from(buffer, at)
            at += head[7] << 1
        requests.append(received(signature, head, extras, inputs, outputs))
    if at != end:
        raise ValueError(f"a batch of {count} requests ends at byte {at}, its message at {end}")
    return requests


def read_extras(data: bytes | bytearray) -> tuple[str, str, parameters_.Parameters]:
    """Return a request's id, its correlation id if that is a text, and its parameters."""
    request_id, at = wire.read_string(data, 0)
    correlation, at = wire.read_string(data, at)
    (count,) = wire.LENGTH.unpack_from(data, at)
    found, at = parameters_.read(data, at + 4, count)
    if at != len(data):
        raise ValueError(f"texts and parameters of a request are {at} bytes, not {len(data)}")
    return request_id, correlation, found
