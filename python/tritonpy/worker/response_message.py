"""Writing EXECUTED and RESPONSE: what the model answered, with its tensors in shared memory."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final, Optional

from tritonpy.worker import wire
from tritonpy.worker.data_types import NAMES
from tritonpy.worker.errors import TritonError, TritonModelException
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.output_block import OutputBlock
from tritonpy.worker.response import InferenceResponse, failed

_EXECUTED: Final = Struct("<BBHIQ")
_VERDICT: Final = Struct("<B3x")
_VERDICT_SIZE: Final = _VERDICT.size
_RESPONSE: Final = Struct("<QIQB7x")
_HEAD: Final = Struct("<BBHQ")
_OUTPUT: Final = "HBBIQQ"
_BLOCK_AT: Final = 4  # the place of the block among the values of a response
# Formats of whole responses by the dimension counts of their outputs: models have few, clients
# cannot make more than this many of us remember.
_FORMATS_MAX: Final = 256

_Values = list[Any]
_NO_OUTPUTS: Final[tuple[int, ...]] = ()


# What became of one request of a batch: the verdict, the response if there is one, and the places
# of the outputs that its client wants, None for all.
Answer = tuple[int, Optional[InferenceResponse], Optional[tuple[int, ...]]]


class ResponseWriter:
    """Turns responses into messages. Thread-safe."""

    def __init__(self, signature: ModelSignature, arena: OutputArena) -> None:
        self._signature = signature
        self._arena = arena
        self._formats: dict[tuple[int, ...], Struct] = {}

    def failed_batch(self, message: str, code: int = TritonError.INTERNAL) -> bytes:
        """Return the body of an EXECUTED that fails every request of the batch."""
        head = _EXECUTED.pack(1, code, 0, 0, self._arena.size)
        return head + wire.string(message)

    def executed(self, answers: Iterable[Answer]) -> bytes:
        """Return the body of an EXECUTED; all answers share one block.

        TritonModelException where there is no memory for it.
        """
        block = OutputBlock()
        plans = [
            self._plan(response, outputs, block) if response is not None else verdict
            for verdict, response, outputs in answers
        ]
        place = block.write(self._arena)
        parts = [_EXECUTED.pack(0, 0, 0, len(plans), self._arena.size)]
        for plan in plans:
            if isinstance(plan, int):
                parts.append(_VERDICT.pack(plan))
            else:
                parts.append(self._packed(plan, place))
        return b"".join(parts)

    def response(
        self,
        key: int,
        response: InferenceResponse | None,
        outputs: tuple[int, ...] | None,
        *,
        is_final: bool,
    ) -> bytes:
        """Return the body of a RESPONSE to the request that the server calls `key`."""
        packed = b""
        if response is not None:
            block = OutputBlock()
            plan = self._plan(response, outputs, block)
            try:
                place = block.write(self._arena)
            except TritonModelException as error:
                plan, place = self._plan(failed(str(error)), None, block), 0
            packed = self._packed(plan, place)[_VERDICT_SIZE:]
        head = _RESPONSE.pack(
            key, wire.FINAL if is_final else 0, self._arena.size, response is not None
        )
        return head + packed

    def _plan(
        self, response: InferenceResponse, wanted: tuple[int, ...] | None, block: OutputBlock
    ) -> tuple[_Values, tuple[int, ...], InferenceResponse]:
        """Return the values to pack, the outputs' dimension counts, and the response itself.

        A response with an output that the configuration does not have, or has otherwise, becomes
        an error.
        """
        if response._error is not None:
            return [0, 1, response._error._code, 0, 0], _NO_OUTPUTS, response
        signature = self._signature
        places, codes = signature.output_places, signature.output_codes
        values: _Values = [0, 0, 0, 0, 0, 0]
        dim_counts = []
        for tensor in response._outputs:
            index = places.get(tensor._name)
            if index is None or tensor._code != codes[index]:
                response = failed(self._mismatch(tensor._name, tensor._code))
                return [0, 1, TritonError.INTERNAL, 0, 0], _NO_OUTPUTS, response
            if wanted is not None and index not in wanted:
                continue
            shape = tensor._shape
            dim_count = len(shape)
            offset, size = block.add(tensor)
            values += (index, tensor._code, dim_count, 0, offset, size)
            values += shape
            dim_counts.append(dim_count)
        values[3] = len(dim_counts)
        return values, tuple(dim_counts), response

    def _mismatch(self, name: str, code: int) -> str:
        signature = self._signature
        index = signature.output_places.get(name)
        if index is None:
            return (
                f"unexpected inference output '{name}' for model '{signature.model_name}', "
                f"its configuration has {list(signature.output_names)}"
            )
        return (
            f"model '{signature.model_name}', output '{name}': the model returned {NAMES[code]}, "
            f"but the model configuration specifies {NAMES[signature.output_codes[index]]}"
        )

    def _packed(
        self, plan: tuple[_Values, tuple[int, ...], InferenceResponse], place: int
    ) -> bytes:
        """Return the verdict and the RESPONSE body of a planned response."""
        values, dim_counts, response = plan
        error = response._error
        if error is not None:
            values[2] = error._code if 0 <= error._code <= TritonError.CANCELLED else 1
            text = wire.string(error._message)
            parameters = wire.string(response._parameters)
            return _VERDICT.pack(wire.ANSWERED) + _HEAD.pack(*values[1:]) + text + parameters
        values[_BLOCK_AT] = place
        packer = self._formats.get(dim_counts)
        if packer is None:
            packer = self._format(dim_counts)
        packed = packer.pack(*values)
        if not response._parameters:
            return packed
        end = _VERDICT_SIZE + _HEAD.size
        rest = packed[end + wire.LENGTH.size :]
        return packed[:end] + wire.string(response._parameters) + rest

    def _format(self, dim_counts: tuple[int, ...]) -> Struct:
        """Return the format of a response without parameters, and remember it."""
        outputs = "".join(f"{_OUTPUT}{count}q" for count in dim_counts)
        packer = Struct(f"<B3xBBHQI{outputs}")
        if len(self._formats) < _FORMATS_MAX:
            self._formats[dim_counts] = packer
        return packer
