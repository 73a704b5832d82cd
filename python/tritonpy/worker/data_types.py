"""The data types of tensors: code on the wire, name in a config, numpy's view."""

from __future__ import annotations

from typing import Any, Final

import numpy

STRING: Final = 13
BF16: Final = 14

# The codes are the places of the names in this list.
NAMES: Final = (
    "TYPE_INVALID",
    "TYPE_BOOL",
    "TYPE_UINT8",
    "TYPE_UINT16",
    "TYPE_UINT32",
    "TYPE_UINT64",
    "TYPE_INT8",
    "TYPE_INT16",
    "TYPE_INT32",
    "TYPE_INT64",
    "TYPE_FP16",
    "TYPE_FP32",
    "TYPE_FP64",
    "TYPE_STRING",
    "TYPE_BF16",
)
CODES: Final = {name: code for code, name in enumerate(NAMES) if code}

# What numpy sees; BF16 has no type there, its bits are those of a UINT16.
NUMPY_TYPES: Final[dict[int, Any]] = {
    1: numpy.bool_,
    2: numpy.uint8,
    3: numpy.uint16,
    4: numpy.uint32,
    5: numpy.uint64,
    6: numpy.int8,
    7: numpy.int16,
    8: numpy.int32,
    9: numpy.int64,
    10: numpy.float16,
    11: numpy.float32,
    12: numpy.float64,
    STRING: numpy.object_,
}
DTYPES: Final[dict[int, numpy.dtype[Any]]] = {
    **{code: numpy.dtype(type_) for code, type_ in NUMPY_TYPES.items()},
    BF16: numpy.dtype(numpy.uint16),
}
# By `dtype.num`, which is the quickest to ask for and the same for either byte order. C's long and
# long long are both INT64, hence the characters beside the types.
CODES_OF_NUMBERS: Final[dict[int, int]] = {
    **{DTYPES[code].num: code for code in NUMPY_TYPES},
    numpy.dtype("l").num: CODES[f"TYPE_INT{8 * numpy.dtype('l').itemsize}"],
    numpy.dtype("q").num: CODES["TYPE_INT64"],
    numpy.dtype("L").num: CODES[f"TYPE_UINT{8 * numpy.dtype('L').itemsize}"],
    numpy.dtype("Q").num: CODES["TYPE_UINT64"],
    numpy.dtype(numpy.bytes_).num: STRING,
    numpy.dtype(numpy.str_).num: STRING,
}


def code_of(dtype: numpy.dtype[Any]) -> int:
    """Return the code of what numpy calls `dtype`; TypeError where there is none."""
    code = CODES_OF_NUMBERS.get(dtype.num)
    if code is None:
        if dtype.name == "bfloat16":
            return BF16
        raise TypeError(f"Tensor data type '{dtype}' has no counterpart in the server")
    return code


def triton_to_numpy_type(data_type: int) -> Any:
    """Return the numpy type of a data type's code."""
    return NUMPY_TYPES[int(data_type)]


def numpy_to_triton_type(data_type: Any) -> int:
    """Return the code of a numpy type or dtype."""
    return code_of(numpy.dtype(data_type))


def triton_string_to_numpy(triton_type_string: str) -> Any:
    """Return the numpy type of a config's data type, `TYPE_FP32` say; None for BF16."""
    return NUMPY_TYPES.get(CODES[triton_type_string])
