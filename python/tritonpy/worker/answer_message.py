"""Reading ANSWER: what another model answered to a request of this one (BLS)."""

from __future__ import annotations

from struct import Struct
from typing import Final

from tritonpy.worker import parameters, wire
from tritonpy.worker.errors import TritonError
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.response import InferenceResponse
from tritonpy.worker.tensor import received as received_tensor

_ANSWER: Final = Struct("<QQIBBHQQI")


class Answer:
    """One response to the call of that number; `charge` is what it counts as unread."""

    __slots__ = ("call", "charge", "is_final", "response")

    def __init__(
        self, call: int, response: InferenceResponse, *, is_final: bool, charge: int = 0
    ) -> None:
        self.call = call
        self.response = response
        self.is_final = is_final
        self.charge = charge


def read_answer(buffer: bytearray, at: int, end: int, arena: InputArena) -> Answer:
    """Return the answer in `buffer[at:end]`.

    ValueError, IndexError, KeyError or struct.error where the message is not well-formed.
    """
    (
        call,
        charge,
        flags,
        has_error,
        code,
        output_count,
        place,
        arena_size,
        parameter_count,
    ) = _ANSWER.unpack_from(buffer, at)
    block = arena.block(place, arena_size) if place else None
    at += _ANSWER.size
    message, at = wire.read_string(buffer, at)
    values, at = parameters.read(buffer, at, parameter_count)
    tensors = []
    for _ in range(output_count):
        output, at = wire.read_string(buffer, at)
        data_type, dim_count, _, _, offset, size = wire.TENSOR.unpack_from(buffer, at)
        at += wire.TENSOR.size
        shape = wire.DIMS[dim_count].unpack_from(buffer, at)
        at += dim_count << 3
        tensors.append(received_tensor(output, data_type, shape, block, offset, size))
    if at != end:
        raise ValueError(f"an answer ends at byte {at}, its message at {end}")
    error = TritonError(message, code) if has_error else None
    response = InferenceResponse(tensors, error)
    response._parameters = values
    return Answer(call, response, is_final=bool(flags & wire.FINAL), charge=charge)
