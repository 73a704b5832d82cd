"""Tensors of byte strings: each element is a little-endian u32 length and its bytes."""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

import numpy
from numpy.typing import NDArray

_LENGTH: Final = Struct("<I")


def serialize(array: NDArray[Any]) -> bytes:
    """Return the elements of `array` in C order; what is no bytes goes as its text in UTF-8."""
    length = _LENGTH.pack
    parts: list[bytes] = []
    for item in array.ravel().tolist():
        data = item if type(item) is bytes else _encoded(item)
        parts.append(length(len(data)))
        parts.append(data)
    return b"".join(parts)


def _encoded(item: Any) -> bytes:
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    return str(item).encode()


def deserialize(data: bytes) -> NDArray[Any]:
    """Return the elements in `data` as a flat array of bytes objects; ValueError if it is cut."""
    length = _LENGTH.unpack_from
    items: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        if at + 4 > end:
            raise ValueError(f"a BYTES tensor ends within the length at byte {at}")
        start = at + 4
        at = start + length(data, at)[0]
        items.append(data[start:at])
    if at != end:
        raise ValueError(f"a BYTES tensor of {end} bytes has elements up to byte {at}")
    array = numpy.empty(len(items), dtype=numpy.object_)
    array[:] = items
    return array


def serialize_byte_tensor(input_tensor: NDArray[Any]) -> NDArray[Any] | None:
    """Return an array of strings as one element of object type that holds its serialised bytes.

    None for another data type, and an empty array for an empty one.
    """
    if input_tensor.size == 0:
        return numpy.empty([0], dtype=numpy.object_)
    if input_tensor.dtype.kind not in "OSU":
        return None
    serialized = numpy.empty((), dtype=numpy.object_)
    serialized[()] = serialize(input_tensor)
    return serialized


def deserialize_bytes_tensor(encoded_tensor: bytes) -> NDArray[Any]:
    """Return the flat array of bytes objects that `encoded_tensor` holds."""
    return deserialize(bytes(encoded_tensor))
