"""Writing INFER and reading ANSWER: requests that a model makes of other models (BLS)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from tritonpy.worker import parameters, wire
from tritonpy.worker.errors import TritonError
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.output_block import OutputBlock
from tritonpy.worker.response import InferenceResponse
from tritonpy.worker.tensor import received as received_tensor

if TYPE_CHECKING:
    from tritonpy.worker.request import InferenceRequest

_INFER: Final = Struct("<QQQQIIqB3x")
_COUNTS: Final = Struct("<HHI")
_PLACE: Final = Struct("<Q")
_ANSWER: Final = Struct("<QQIBBHQQI")
_TENSOR: Final = Struct("<BBHIQQ")
_DECOUPLED_ALLOWED: Final = 1
_VERSION_IS_LABEL: Final = 2


class Answer(NamedTuple):
    """One response to a request that this process made; `charge` is what it counts as unread."""

    response: InferenceResponse
    is_final: bool
    charge: int = 0


def infer_body(
    request: InferenceRequest,
    call: int,
    received: InputArena,
    arena: OutputArena,
    *,
    is_decoupled: bool,
) -> bytes:
    """Return the body of the INFER for `request`, its tensors written to `arena`.

    Those that the model received stay where they are. TritonModelException where there is no
    memory; struct.error where a number is out of range. Whatever is returned must be sent.
    """
    block = OutputBlock(received)
    inputs = []
    for tensor in request._inputs:
        placed = block.add(tensor)
        shape = tensor._shape
        inputs.append(wire.string(tensor._name))
        inputs.append(_TENSOR.pack(tensor._code, len(shape), 0, *placed))
        inputs.append(wire.DIMS[len(shape)].pack(*shape))
    outputs = sorted(request.requested_output_names())
    correlation = request._correlation
    is_text = isinstance(correlation, str)
    version = request._model_version
    label = version if isinstance(version, str) else None
    head = _INFER.pack(
        call,
        0 if is_text else correlation,
        request._timeout,
        request._priority,
        request._flags,
        _DECOUPLED_ALLOWED * is_decoupled | _VERSION_IS_LABEL * (label is not None),
        version if label is None else -1,
        is_text,
    )
    texts = (request._model_name, request._id, str(correlation) if is_text else "")
    strings = b"".join(map(wire.string, texts))
    if label is not None:
        strings += wire.string(label)
    values = request._parameters
    output_count = len(outputs) or wire.ALL_OUTPUTS
    counts = _COUNTS.pack(len(request._inputs), output_count, len(values))
    rest = b"".join((parameters.written(values), *inputs, *map(wire.string, outputs)))
    lent = block.write(arena)  # when nothing can be wrong with the request any more
    place = _PLACE.pack(lent.data_place if lent else 0)
    return b"".join((head, _PLACE.pack(arena.size), strings, counts, place, rest))


def read_answer(buffer: bytearray, at: int, end: int, arena: InputArena) -> tuple[int, Answer]:
    """Return the number of the call and the answer to it in `buffer[at:end]`.

    ValueError, IndexError or struct.error where the message is not well-formed.
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
    name, at = wire.read_string(buffer, at)
    version, at = wire.read_string(buffer, at)
    values, at = parameters.read(buffer, at, parameter_count)
    tensors = []
    for _ in range(output_count):
        output, at = wire.read_string(buffer, at)
        data_type, dim_count, _, _, offset, size = _TENSOR.unpack_from(buffer, at)
        at += _TENSOR.size
        shape = wire.DIMS[dim_count].unpack_from(buffer, at)
        at += dim_count << 3
        tensors.append(received_tensor(output, data_type, shape, block, offset, size))
    if at != end:
        raise ValueError(f"an answer ends at byte {at}, its message at {end}")
    error = TritonError(message, code) if has_error else None
    response = InferenceResponse(tensors, error)
    response._parameters = values
    response._source = (name, int(version) if version.lstrip("-").isdigit() else -1)
    return call, Answer(response, bool(flags & wire.FINAL), charge)
