"""From the type annotations of a function to tensors: names, data types, dims, and conversions."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from typing import Any, Final, NamedTuple, get_args, get_origin, get_type_hints

import numpy
from numpy.typing import NDArray

from tritonpy.worker.data_types import NAMES, STRING, code_of

_SCALARS: Final[dict[Any, Any]] = {
    bool: numpy.bool_,
    int: numpy.int64,
    float: numpy.float64,
    str: numpy.object_,
    bytes: numpy.object_,
}
_STREAMS: Final = (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
)


class TensorType(NamedTuple):
    """What one annotation says."""

    name: str
    dtype: numpy.dtype[Any]
    dims: tuple[int, ...]
    item: Any  # bool, int, float, str or bytes where Python's values are wanted, else None
    is_scalar: bool
    is_optional: bool

    def entry(self) -> dict[str, Any]:
        """Return the entry of a model configuration."""
        data_type = NAMES[code_of(self.dtype)]
        return {"name": self.name, "data_type": data_type, "dims": list(self.dims)}

    def value_of(self, array: NDArray[Any], *, in_batch: bool) -> Any:
        """Return what the function wants of `array`: the array, a list, or a scalar.

        ValueError if a scalar is wanted, and `array` has not exactly one element.
        """
        if self.item is None:
            return array
        values = array.tolist() if in_batch and not self.is_scalar else array.ravel().tolist()
        if self.item is str:
            values = _texts(values)
        if not self.is_scalar or in_batch:
            return values
        if len(values) != 1:
            raise ValueError(f"'{self.name}' is one {self.item.__name__}, {len(values)} came")
        return values[0]

    def array_of(self, value: Any, *, in_batch: bool) -> NDArray[Any]:
        """Return the tensor's array for what the function gave."""
        if self.dtype == numpy.object_ and not isinstance(value, numpy.ndarray):
            array = _objects(value)
        else:
            array = numpy.asarray(value, dtype=self.dtype)
        if self.is_scalar and self.item is not None:
            return array.reshape((-1, 1) if in_batch else (1,))
        return array


def _texts(values: list[Any]) -> list[Any]:
    return [_texts(value) if isinstance(value, list) else value.decode() for value in values]


def _objects(value: Any) -> NDArray[Any]:
    """Return an array of the strings in `value`, a string or nested lists of them."""
    array = numpy.array(value, dtype=numpy.object_)
    return array if array.ndim else array.reshape(1)


class Signature(NamedTuple):
    """What a function takes and gives."""

    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    is_tuple: bool  # the function gives a tuple, one element for each output
    is_stream: bool


def signature_of(function: Callable[..., Any], outputs: tuple[str, ...] | None) -> Signature:
    """Read the annotations of `function`; `outputs` names what it returns. TypeError says why not.

    An array is `numpy.typing.NDArray[numpy.float32]`, of any length; of another shape it is
    `Annotated[NDArray[...], (3, -1)]`. bool, int, float, str and bytes are tensors of one element,
    lists of them are vectors. A parameter with a default is an optional input.
    """
    hints = get_type_hints(function, include_extras=True)
    inputs = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.name not in hints:
            raise TypeError(f"parameter '{parameter.name}' of the model has no type annotation")
        is_optional = parameter.default is not inspect.Parameter.empty
        inputs.append(_tensor_type(parameter.name, hints[parameter.name], is_optional))
    if "return" not in hints:
        raise TypeError("the model's function does not say what it returns")
    result = hints["return"]
    is_stream = get_origin(result) in _STREAMS
    if is_stream:
        result = get_args(result)[0]
    types, names, is_tuple = _returned(result)
    names = outputs or names
    if len(names) != len(types):
        raise TypeError(f"the model returns {len(types)} values, and has names for {len(names)}")
    given = tuple(_tensor_type(names[at], type_, False) for at, type_ in enumerate(types))
    return Signature(tuple(inputs), given, is_tuple, is_stream)


def _returned(result: Any) -> tuple[tuple[Any, ...], tuple[str, ...], bool]:
    """Return the types and names of what a function returns, and whether it is a tuple."""
    if isinstance(result, type) and issubclass(result, tuple) and hasattr(result, "_fields"):
        hints = get_type_hints(result, include_extras=True)
        return tuple(hints.values()), tuple(hints), True
    if get_origin(result) is tuple:
        types = get_args(result)
        return types, tuple(f"output_{at}" for at in range(len(types))), True
    return (result,), ("output",), False


def _tensor_type(name: str, annotation: Any, is_optional: bool) -> TensorType:
    dims: tuple[int, ...] | None = None
    if hasattr(annotation, "__metadata__"):
        shapes = [note for note in annotation.__metadata__ if isinstance(note, tuple)]
        dims = tuple(-1 if dim is None else int(dim) for dim in shapes[0]) if shapes else None
        annotation = annotation.__origin__
    if annotation in _SCALARS:
        dtype = numpy.dtype(_SCALARS[annotation])
        return TensorType(name, dtype, dims or (1,), annotation, True, is_optional)
    if get_origin(annotation) is list and get_args(annotation)[0] in _SCALARS:
        item = get_args(annotation)[0]
        return TensorType(
            name, numpy.dtype(_SCALARS[item]), dims or (-1,), item, False, is_optional
        )
    scalar_type = _array_scalar(annotation)
    if scalar_type is None:
        raise TypeError(
            f"'{name}' is annotated with {annotation}; a model can have NDArray[...], bool, int, "
            "float, str, bytes, and lists of these"
        )
    dtype = numpy.dtype(scalar_type)
    if dtype.kind in "SU":
        dtype = numpy.dtype(numpy.object_)
    assert code_of(dtype) <= STRING
    return TensorType(name, dtype, (-1,) if dims is None else dims, None, False, is_optional)


def _array_scalar(annotation: Any) -> Any:
    """Return numpy's scalar type in `NDArray[scalar type]`, None for any other annotation."""
    if get_origin(annotation) is not numpy.ndarray:
        return None
    dtypes = get_args(get_args(annotation)[1])
    is_named = bool(dtypes) and isinstance(dtypes[0], type)
    return dtypes[0] if is_named and issubclass(dtypes[0], numpy.generic) else None
