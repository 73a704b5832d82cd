"""A named tensor: an array of the model's, or one over the server's memory.

The array of a tensor that came from the server lies in shared memory, which it keeps for as long as
the model holds it. Strings are made when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from tritonpy.worker import bytes_tensor, dlpack
from tritonpy.worker.data_types import BF16, CODES_OF_NUMBERS, DTYPES, STRING, code_of
from tritonpy.worker.errors import TritonModelException

if TYPE_CHECKING:
    from tritonpy.worker.input_arena import InputBlock


class Tensor:
    """One tensor of a request or a response."""

    __slots__ = ("_array", "_code", "_name", "_serialized", "_shape")

    _name: str
    _code: int
    _shape: tuple[int, ...]
    _array: NDArray[Any] | None  # None: not made yet of `_serialized`, the strings as they came
    _serialized: bytes

    def __init__(self, name: str, numpy_array: NDArray[Any]) -> None:
        if name == "":
            raise TritonModelException("Tensor name cannot be an empty string.")
        if not isinstance(numpy_array, numpy.ndarray):
            raise TypeError(
                f"Tensor '{name}' must be made of a numpy array, found type '{type(numpy_array)}'"
            )
        dtype = numpy_array.dtype
        self._name = name
        code = CODES_OF_NUMBERS.get(dtype.num)
        self._code = code = code_of(dtype) if code is None else code
        self._shape = numpy_array.shape
        if not dtype.isnative:
            numpy_array = numpy_array.astype(dtype.newbyteorder("="))
        elif code == BF16:
            numpy_array = numpy_array.view(numpy.uint16)
        self._array = numpy_array
        self._serialized = b""

    def name(self) -> str:
        """Return the name."""
        return self._name

    def shape(self) -> list[int]:
        """Return the dimensions, the batch included where the model batches."""
        return list(self._shape)

    def triton_dtype(self) -> int:
        """Return the code of the data type."""
        return self._code

    def is_cpu(self) -> bool:
        """Whether the tensor lies in host memory."""
        return True

    def as_numpy(self) -> NDArray[Any]:
        """Return the array: a view of shared memory, or of bytes objects for TYPE_STRING."""
        if self._code == BF16:
            raise TritonModelException(
                "Tensor dtype is BF16 and cannot be converted to NumPy. "
                "Use to_dlpack() and from_dlpack() instead."
            )
        array = self._array
        if array is None:
            array = self._array = bytes_tensor.deserialize(self._serialized).reshape(self._shape)
        return array

    def _serialized_now(self) -> bytes:
        """Return the strings of a TYPE_STRING tensor in their serialisation."""
        array = self._array
        return self._serialized if array is None else bytes_tensor.serialize(array)

    def to_dlpack(self) -> object:
        """Return a DLPack capsule that shares this tensor's memory."""
        return self.__dlpack__()

    def __dlpack__(self, stream: object = None, **_: object) -> object:
        array = self._array
        if array is None or self._code == STRING:
            raise TritonModelException("DLPack does not have support for string tensors.")
        return dlpack.export(array, is_bf16=self._code == BF16)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CPU

    @staticmethod
    def from_dlpack(name: str, dlpack_tensor: object) -> Tensor:
        """Return a tensor that shares the memory of a DLPack capsule, or of what makes one."""
        if name == "":
            raise TritonModelException("Tensor name cannot be an empty string.")
        array, is_bf16 = dlpack.take(dlpack_tensor)
        tensor = Tensor(name, array)
        if is_bf16:
            tensor._code = BF16
        return tensor


def received(
    name: str,
    code: int,
    dims: tuple[int, ...],
    block: InputBlock | None,
    offset: int,
    size: int,
    new: Any = Tensor.__new__,
) -> Tensor:
    """Return the tensor of `size` bytes at `offset` in `block`, which is None if it has no bytes.

    ValueError if these are not in the memory.
    """
    tensor: Tensor = new(Tensor)
    tensor._name = name
    tensor._code = code
    tensor._shape = dims
    tensor._serialized = b""
    if code == STRING:
        tensor._array = None
        if block is not None:
            at = block.at + offset
            tensor._serialized = block.mapping[at : at + size]
            if len(tensor._serialized) != size:
                raise ValueError(f"strings of {size} bytes at {at} end outside the memory")
    elif block is None:
        tensor._array = numpy.empty(dims, DTYPES[code])
    else:
        tensor._array = array = numpy.ndarray(dims, DTYPES[code], block.mapping, block.at + offset)
        block.arrays.append(array)
    return tensor
