"""Reading EXECUTE: the requests of a batch. Every request of every batch goes through here."""

from __future__ import annotations

from struct import Struct
from typing import Final

from tritonpy.worker import wire
from tritonpy.worker.input_arena import InputArena, Root
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.request import InferenceRequest, received
from tritonpy.worker.tensor import received as received_tensor

_BATCH: Final = Struct("<QQI")
_REQUEST: Final = Struct("<QQQQqIIHHB3x")
_INPUT: Final = Struct("<HHQQ")
_STRINGS: Final = 4
_NO_STRINGS: Final = bytes(_STRINGS * wire.LENGTH.size)
_EMPTY: Final[tuple[str, ...]] = ("",) * _STRINGS


def read_batch(
    buffer: bytearray, at: int, end: int, signature: ModelSignature, arena: InputArena
) -> list[InferenceRequest]:
    """Return the requests in `buffer[at:end]`, whose tensors are views of the arena.

    ValueError, IndexError or struct.error where the message is not well-formed.
    """
    place, arena_size, count = _BATCH.unpack_from(buffer, at)
    root = arena.block(place, arena_size) if place else None
    at += _BATCH.size
    requests = []
    for _ in range(count):
        request, at = _read_request(buffer, at, signature, root)
        requests.append(request)
    if at != end:
        raise ValueError(f"a batch of {count} requests ends at byte {at}, its message at {end}")
    return requests


def _read_request(
    buffer: bytearray, at: int, signature: ModelSignature, root: Root | None
) -> tuple[InferenceRequest, int]:
    head = _REQUEST.unpack_from(buffer, at)
    at += 56
    input_count, output_count = head[7], head[8]
    strings_end = at + 16
    strings = _EMPTY
    if buffer[at:strings_end] == _NO_STRINGS:
        at = strings_end
    else:
        strings, at = _read_strings(buffer, at)
    names, codes = signature.input_names, signature.input_codes
    read_input, read_dims = _INPUT.unpack_from, wire.DIMS
    inputs = []
    for _ in range(input_count):
        index, dim_count, offset, size = read_input(buffer, at)
        at += 20
        shape = read_dims[dim_count].unpack_from(buffer, at)
        at += dim_count << 3
        inputs.append(received_tensor(names[index], codes[index], shape, root, offset, size))
    outputs = None
    if output_count != wire.ALL_OUTPUTS:
        outputs = Struct(f"<{output_count}H").unpack_from(buffer, at)
        at += output_count << 1
    return received(signature, head, strings, inputs, outputs), at


def _read_strings(buffer: bytearray, at: int) -> tuple[tuple[str, ...], int]:
    strings = []
    for _ in range(_STRINGS):
        text, at = wire.read_string(buffer, at)
        strings.append(text)
    return tuple(strings), at
