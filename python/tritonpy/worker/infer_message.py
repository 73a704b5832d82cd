"""Writing INFER: a request that a model makes of another (BLS)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from tritonpy.worker import parameters, wire
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.output_block import OutputBlock

if TYPE_CHECKING:
    from tritonpy.worker.request import InferenceRequest

_INFER: Final = Struct("<QQQQIIqB3x")
_COUNTS: Final = Struct("<HHI")
_PLACE: Final = Struct("<Q")
_DECOUPLED_ALLOWED: Final = 1
_VERSION_IS_LABEL: Final = 2


def infer_message(
    request: InferenceRequest,
    call: int,
    received: InputArena,
    arena: OutputArena,
    *,
    is_decoupled: bool,
) -> bytes:
    """Return the INFER for `request`, its tensors written to `arena`; it must be sent then.

    Those that the model received stay where they are. TritonModelException where there is no
    memory; struct.error where a number is out of range.
    """
    block = OutputBlock(received)
    inputs = []
    for tensor in request._inputs:
        placed = block.add(tensor)
        shape = tensor._shape
        inputs.append(wire.string(tensor._name))
        inputs.append(wire.TENSOR.pack(tensor._code, len(shape), 0, *placed))
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
    body = b"".join((head, _PLACE.pack(arena.size), strings, counts, place, rest))
    return wire.message(wire.INFER, body)
