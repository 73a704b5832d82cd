"""A named tensor: an array of the model's, or bytes of the server's that become one when asked.

A tensor that came from the server lies in shared memory. Its numpy view is made without a copy the
first time that it is asked for, and keeps the memory for as long as the model holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from tritonpy.worker import bytes_tensor, dlpack
from tritonpy.worker.data_types import BF16, DTYPES, STRING, code_of
from tritonpy.worker.errors import TritonModelException

if TYPE_CHECKING:
    from tritonpy.worker.input_arena import InputBlock


class Tensor:
    """One tensor of a request or a response."""

    __slots__ = ("_array", "_block", "_code", "_name", "_offset", "_shape", "_size")

    _name: str
    _code: int
    _shape: tuple[int, ...]
    # What the model gave, or was given; None at first for what lies in the server's memory, which
    # is `_size` bytes from `_offset` on, and in no block where there are none.
    _array: NDArray[Any] | None
    _block: InputBlock | None
    _offset: int
    _size: int

    def __init__(self, name: str, numpy_array: NDArray[Any]) -> None:
        if name == "":
            raise TritonModelException("Tensor name cannot be an empty string.")
        if not isinstance(numpy_array, numpy.ndarray):
            raise TypeError(
                f"Tensor '{name}' must be made of a numpy array, found type '{type(numpy_array)}'"
            )
        dtype = numpy_array.dtype
        self._name = name
        self._code = code_of(dtype)
        self._shape = numpy_array.shape
        if not dtype.isnative:
            numpy_array = numpy_array.astype(dtype.newbyteorder("="))
        elif self._code == BF16:
            numpy_array = numpy_array.view(numpy.uint16)
        self._array = numpy_array
        self._block = None

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
        code = self._code
        if code == BF16:
            raise TritonModelException(
                "Tensor dtype is BF16 and cannot be converted to NumPy. "
                "Use to_dlpack() and from_dlpack() instead."
            )
        return self._view()

    def _view(self) -> NDArray[Any]:
        array = self._array
        if array is None:
            block = self._block
            if self._code == STRING:
                array = bytes_tensor.deserialize(self._raw()).reshape(self._shape)
            elif block is None:
                array = numpy.empty(self._shape, DTYPES[self._code])
            else:
                array = block.array(self._shape, DTYPES[self._code], self._offset)
            self._array = array
        return array

    def _raw(self) -> bytes:
        """Return the bytes of a tensor that lies in the server's memory."""
        return b"" if self._block is None else self._block.bytes_at(self._offset, self._size)

    def _source(self) -> NDArray[Any] | bytes:
        """Return what to send: an array, or strings in their serialisation."""
        if self._code != STRING:
            return self._view()
        array = self._array
        return self._raw() if array is None else bytes_tensor.serialize(array)

    def to_dlpack(self) -> object:
        """Return a DLPack capsule that shares this tensor's memory."""
        return self.__dlpack__()

    def __dlpack__(self, stream: object = None, **_: object) -> object:
        if self._code == STRING:
            raise TritonModelException("DLPack does not have support for string tensors.")
        return dlpack.export(self._view(), is_bf16=self._code == BF16)

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
    """Return the tensor of `size` bytes at `offset` in `block`, the server's memory."""
    tensor: Tensor = new(Tensor)
    tensor._name = name
    tensor._code = code
    tensor._shape = dims
    tensor._array = None
    tensor._block = block
    tensor._offset = offset
    tensor._size = size
    return tensor
