"""Writing EXECUTED and RESPONSE: what the model answered, with its tensors in shared memory."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final, NamedTuple, Optional, Union

from tritonpy.worker import parameters, wire
from tritonpy.worker.data_types import NAMES
from tritonpy.worker.errors import TritonError, TritonModelException
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.output_arena import Block, OutputArena
from tritonpy.worker.output_block import OutputBlock, Placed
from tritonpy.worker.response import InferenceResponse, failed
from tritonpy.worker.tensor import Tensor

_EXECUTED: Final = Struct("<BBHIQ")
_RESPONSE: Final = Struct("<QQI")
_VERDICTS: Final = tuple(bytes((verdict, 0, 0, 0)) for verdict in range(3))
_HEAD: Final = Struct("<BBHI")
_PLACE: Final = Struct("<QQ")
_NO_PLACE: Final = _PLACE.pack(0, 0)
_OUTPUT: Final = Struct("<HBBIQQ")
# Models have few combinations of shapes; clients cannot make more than this many of us remember.
_FORMS_MAX: Final = 256

# What became of one request of a batch: the verdict, the response if there is one, and the places
# of the outputs that its client wants, None for all.
Answer = tuple[int, Optional[InferenceResponse], Optional[tuple[int, ...]]]


# Name, data type, dimensions and place of each output of a response.
_Outputs = tuple[tuple[str, int, tuple[int, ...], Placed], ...]


class _Form(NamedTuple):
    """An answer but for what stands between: the place of its outputs' bytes."""

    head: bytes
    rest: bytes


# An answer that is ready; or its form, and where in the message's block its outputs start.
_Plan = Union[bytes, tuple[_Form, int]]


class _MismatchError(Exception):
    """A response has an output that the configuration does not have, or has otherwise."""


class ResponseWriter:
    """Turns responses into messages. Thread-safe."""

    def __init__(self, signature: ModelSignature, inputs: InputArena, arena: OutputArena) -> None:
        self._signature = signature
        self._inputs = inputs
        self._arena = arena
        self._forms: dict[_Outputs, _Form] = {}

    def failed_batch(self, message: str, code: int = TritonError.INTERNAL) -> bytes:
        """Return the body of an EXECUTED that fails every request of the batch."""
        head = _EXECUTED.pack(1, code, 0, 0, self._arena.size)
        return head + wire.string(message)

    def executed(self, answers: Iterable[Answer]) -> bytes:
        """Return the body of an EXECUTED; all answers share one block.

        TritonModelException where there is no memory for it.
        """
        block = OutputBlock(self._inputs)
        plans: list[_Plan] = []
        for verdict, response, outputs in answers:
            if response is None:
                plans.append(_VERDICTS[verdict])
            else:
                plans.append(self._plan(response, outputs, block))
        lent = block.write(self._arena)
        place = lent.data_place if lent else 0
        parts = [_EXECUTED.pack(0, 0, 0, len(plans), self._arena.size)]
        for plan in plans:
            if isinstance(plan, bytes):
                parts.append(plan)
            else:
                form, base = plan
                parts += (form.head, _PLACE.pack(place, base), form.rest)
        return b"".join(parts)

    def response(
        self,
        key: int,
        response: InferenceResponse | None,
        outputs: tuple[int, ...] | None,
        *,
        is_final: bool,
    ) -> tuple[bytes, Block | None]:
        """Return the body of a RESPONSE to the request `key`, and the block that it names."""
        plan: _Plan = _VERDICTS[wire.OPEN]
        lent = None
        if response is not None:
            block = OutputBlock()  # of which the sender knows how much the server still has
            plan = self._plan(response, outputs, block)
            try:
                lent = block.write(self._arena)
            except TritonModelException as error:
                plan = _error(failed(str(error)))
        head = _RESPONSE.pack(key, self._arena.size, wire.FINAL if is_final else 0)
        if isinstance(plan, bytes):
            return head + plan, lent
        form, base = plan
        place = _PLACE.pack(lent.data_place if lent else 0, base)
        return b"".join((head, form.head, place, form.rest)), lent

    def rescheduled(self, key: int) -> bytes:
        """Return the body of a RESPONSE that gives the request `key` back, to run again."""
        return _RESPONSE.pack(key, self._arena.size, 0) + _VERDICTS[wire.RESCHEDULED]

    def _plan(
        self, response: InferenceResponse, wanted: tuple[int, ...] | None, block: OutputBlock
    ) -> _Plan:
        """Return what to say; `block` gets what is to be written.

        A response with an output that the configuration does not have, or has otherwise, becomes
        an error.
        """
        if response._error is not None:
            return _error(response)
        before = block.planned()
        base = block.end
        described = []
        for tensor in response._outputs:
            if wanted is None or self._is_wanted(tensor, wanted):
                placed = block.add(tensor, base)
                described.append((tensor._name, tensor._code, tensor._shape, placed))
        outputs = tuple(described)
        form = self._forms.get(outputs)
        if form is None:
            try:
                form = self._form(outputs)
            except _MismatchError as error:
                block.forget_after(before)
                return _error(failed(str(error)))
        if response._parameters:
            form = _with_parameters(form, len(outputs), response._parameters)
        return form, base

    def _is_wanted(self, tensor: Tensor, wanted: tuple[int, ...]) -> bool:
        """Whether the client asked for the output, or the configuration has none like it."""
        signature = self._signature
        index = signature.output_places.get(tensor._name)
        return index is None or index in wanted or tensor._code != signature.output_codes[index]

    def _form(self, outputs: _Outputs) -> _Form:
        """Return the form of an answer without parameters, and remember it."""
        signature = self._signature
        parts = []
        for name, code, dims, placed in outputs:
            index = signature.output_places.get(name)
            if index is None or code != signature.output_codes[index]:
                raise _MismatchError(self._mismatch(name, code))
            parts.append(_OUTPUT.pack(index, code, len(dims), *placed))
            parts.append(wire.DIMS[len(dims)].pack(*dims))
        form = _Form(_head(len(outputs), 0), b"".join(parts))
        if len(self._forms) >= _FORMS_MAX:
            self._forms.clear()
        self._forms[outputs] = form
        return form

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


def _head(output_count: int, parameter_count: int) -> bytes:
    return _VERDICTS[wire.ANSWERED] + _HEAD.pack(0, 0, output_count, parameter_count)


def _with_parameters(form: _Form, output_count: int, values: parameters.Parameters) -> _Form:
    head = _head(output_count, len(values))
    return _Form(head, parameters.written(values) + form.rest)


def _error(response: InferenceResponse) -> bytes:
    """Return the answer that is the response's error."""
    error, values = response._error, response._parameters or {}
    assert error is not None
    code, message = error._code, error._message
    if not 0 <= code <= TritonError.CANCELLED:
        code, message = TritonError.INTERNAL, f"unrecognized error code {code}: {message}"
    head = _VERDICTS[wire.ANSWERED] + _HEAD.pack(1, code, 0, len(values))
    return head + _NO_PLACE + wire.string(message) + parameters.written(values)
