"""The generate extension without a transport: one flat JSON object in, one for each response out.

A key that names an input of the model is a tensor, `id` is the request's id, any other key is a
parameter; the members of `parameters` count like top-level keys. Nothing says the shape of a
tensor: it is fitted to what the model takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tritonpy.api.messages import TensorMetadata
from tritonpy.core import InferRequest, OutputTensor, StreamedResult, check_json
from tritonpy.errors import InternalError, InvalidArgError, TritonError

Array: TypeAlias = npt.NDArray[np.generic]

_PARAMETERS: Final = "parameters"
_ID: Final = "id"
# As many as a request over the other protocols may have.
_MAX_PARAMETERS: Final = 1024
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1
_DTYPES: Final = {
    "BOOL": np.dtype(np.bool_),
    **{f"INT{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
# Types whose numbers JSON would not carry as they are.
_WITHOUT_JSON: Final = frozenset(("FP16", "BF16"))


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object in the order of the text, repeated keys among them."""


def generate_request(
    model: str, version: int, inputs: Sequence[TensorMetadata], body: bytes, max_input_size: int
) -> InferRequest:
    """Return what a body asks of a model that takes `inputs`.

    The first key that is wrong decides the error. Raises InvalidArgError and, as Triton does for
    values of a wrong type and for what is no JSON, InternalError. `max_input_size` bounds the bytes
    of all tensors, which may be more than those of the text.
    """
    members = _parsed(body)
    if not isinstance(members, _Members):
        raise InvalidArgError("the request must be a JSON object")
    reading = _Reading({tensor.name: tensor for tensor in inputs}, max_input_size)
    for key, value in members:
        reading.take_top_level(key, value)
    return InferRequest(
        model, reading.tensors, version, id=reading.id, parameters=reading.parameters
    )


def _parsed(body: bytes) -> Any:
    """Return the value that a body is, its objects as _Members."""
    check_json(body)
    try:
        return json.loads(body, object_pairs_hook=_Members)
    except json.JSONDecodeError as error:
        # The core's parser also takes Inf, short for Infinity, which no JSON of Python's has.
        raise InternalError(
            f"failed to parse the request JSON buffer: Invalid value. at {error.pos}"
        ) from None


class _Reading:
    """A request as far as its keys were read."""

    def __init__(self, inputs: Mapping[str, TensorMetadata], max_input_size: int) -> None:
        self.id = ""
        self.tensors: dict[str, Array] = {}
        self.parameters: dict[str, bool | int | float | str] = {}
        self._inputs = inputs
        self._max_input_size = max_input_size
        self._size = 0

    def take_top_level(self, key: str, value: Any) -> None:
        """Take one member of the request."""
        if key != _PARAMETERS:
            self._take(key, value)
            return
        if key in self._inputs:
            raise InvalidArgError(
                f"Keyword '{key}' for nested schema also given as input tensor name"
            )
        if not isinstance(value, _Members):
            raise InvalidArgError(f"Expected JSON object for keyword: '{key}'")
        try:
            for name, nested in value:
                self._take(name, nested)
        except TritonError as error:
            raise type(error)(f"Converting keyword: '{key}': {error.message}") from None

    def _take(self, key: str, value: Any) -> None:
        tensor = self._inputs.get(key)
        if tensor is not None:
            self._take_tensor(tensor, value)
        elif key == _ID:
            if not isinstance(value, str):
                raise InternalError(f"Unable to parse '{_ID}': {_wrong_type('string')}")
            self.id = value
        else:
            self.parameters[key] = _parameter(key, value)
            if len(self.parameters) > _MAX_PARAMETERS:
                raise InvalidArgError(
                    f"request has {len(self.parameters)} parameters, at most {_MAX_PARAMETERS} "
                    "are allowed"
                )

    def _take_tensor(self, tensor: TensorMetadata, value: Any) -> None:
        name, data_type = tensor.name, tensor.data_type
        if data_type in _WITHOUT_JSON:
            raise InvalidArgError(
                f"input '{name}' has unsupported datatype '{data_type}': receiving {data_type} "
                "data via JSON is not supported. Please use the binary data format for input "
                f"{name}"
            )
        plain = isinstance(value, list) and not isinstance(value, _Members)
        elements: Sequence[Any] = value if plain else (value,)
        if data_type == "BYTES":
            _require(elements, str, "string")  # first: what has no length has no size
            size = sum(4 + len(element.encode()) for element in elements)
        else:
            size = len(elements) * _DTYPES[data_type].itemsize
        self._count(name, size)
        shape = _fitted_shape(tensor, len(elements))
        array = _array(data_type, elements).reshape(shape)
        if name in self.tensors:
            raise InvalidArgError(f"input '{name}' already exists in request")
        self.tensors[name] = array

    def _count(self, name: str, size: int) -> None:
        self._size += size
        if self._size > self._max_input_size:
            raise InvalidArgError(
                f"request size of {self._size} bytes with input '{name}' of size {size} bytes "
                f"exceeds the maximum allowed input size of {self._max_input_size}. "
                "Use --http-max-input-size to increase the limit."
            )


def _parameter(name: str, value: Any) -> bool | int | float | str:
    if isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):  # beyond 64 bits, JSON has no integers
        return value if _MIN_INTEGER <= value <= _MAX_INTEGER else float(value)
    raise InvalidArgError(
        f"parameter '{name}' has invalid type. It should be either 'int', 'bool', or 'string'."
    )


def _fitted_shape(tensor: TensorMetadata, count: int) -> tuple[int, ...]:
    """Return the model's shape for so many elements, the batch dimension included.

    What the fixed dimensions leave goes into the innermost variable one; the others are 1.
    """
    error = InvalidArgError(
        f"The schema can not convert input '{tensor.name}' to tensor with proper shape"
    )
    left = count
    for dim in tensor.shape:
        if dim >= 0:
            left, rest = divmod(left, dim)
            if rest:
                raise error
    shape = []
    for dim in reversed(tensor.shape):
        shape.append(left if dim < 0 else dim)
        left = 1 if dim < 0 else left
    if left != 1:
        raise error
    return tuple(reversed(shape))


def _array(data_type: str, elements: Sequence[Any]) -> Array:
    if data_type == "BYTES":
        strings = np.empty(len(elements), np.object_)
        strings[:] = elements
        return strings
    dtype = _DTYPES[data_type]
    if dtype.kind == "b":
        _require(elements, bool, "boolean")
        return np.array(elements, dtype)
    if dtype.kind == "f":
        _require(elements, (int, float), "number")
        with np.errstate(over="ignore"):  # beyond the type is infinite, as over /infer
            return np.array([float(element) for element in elements], np.float64).astype(dtype)
    what = "unsigned-integer" if dtype.kind == "u" else "signed-integer"
    _require(elements, int, what)
    low, high = (0, _MAX_INTEGER) if dtype.kind == "u" else (_MIN_INTEGER, 2**63 - 1)
    if any(not low <= element <= high for element in elements):
        raise InternalError(_wrong_type(what))
    # What a narrow type has no room for is cut off, as over /infer.
    return np.array(elements, "u8" if dtype.kind == "u" else "i8").astype(dtype)


def _require(elements: Sequence[Any], kind: type | tuple[type, ...], what: str) -> None:
    """Raise InternalError unless every element is of a kind; true and false are no numbers."""
    for element in elements:
        if not isinstance(element, kind) or (isinstance(element, bool) and kind is not bool):
            raise InternalError(_wrong_type(what))


def _wrong_type(what: str) -> str:
    return f"attempt to access JSON non-{what} as {what}"


def generate_answer(request_id: str, result: StreamedResult) -> bytes:
    """Return one response as a JSON object in one line.

    Raises InvalidArgError for an output that has no JSON form.
    """
    answer: dict[str, Any] = {_ID: request_id} if request_id else {}
    answer |= {"model_name": result.model, "model_version": str(result.version)}
    answer |= result.parameters
    answer |= {output.name: _value(output) for output in result.outputs}
    text = json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def _value(output: OutputTensor) -> Any:
    """Return a tensor as a flat list, one that has one element as that."""
    elements: list[Any] = output.array.ravel().tolist()
    if output.data_type in _WITHOUT_JSON:
        raise _no_json_form(output, f"{output.data_type} data")
    if output.data_type == "BYTES":
        try:
            elements = [element.decode() for element in elements]
        except UnicodeDecodeError:
            raise _no_json_form(output, "BYTES data that is not UTF-8") from None
    elif output.data_type == "FP32":
        # As short as the type allows: 0.1, not the 0.10000000149011612 that it is in 64 bits.
        elements = [float(str(np.float32(element))) for element in elements]
    return elements[0] if len(elements) == 1 else elements


def _no_json_form(output: OutputTensor, what: str) -> InvalidArgError:
    return InvalidArgError(
        f"sending {what} via JSON is not supported. "
        f"Please use the binary data format for output {output.name}"
    )
