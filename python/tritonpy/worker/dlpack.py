"""Tensors from and to other libraries, through numpy's own DLPack.

numpy knows no BF16. A capsule of BF16 is one of UINT16 but for one byte in its DLTensor, so that
byte is changed on the way in and on the way out.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from tritonpy.worker.errors import TritonModelException

CPU: Final = (1, 0)
_HOST_DEVICES: Final = frozenset((1, 3, 11, 13))  # CPU, pinned by CUDA or ROCm, CUDA managed
# Places in DLManagedTensor, which starts with: data pointer, device (two i32), ndim (i32), then
# the data type (code u8, bits u8, lanes u16).
_DEVICE_AT: Final = 8
_TYPE_AT: Final = 20
_UINT_CODE, _BFLOAT_CODE = 1, 4

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = (ctypes.py_object, ctypes.c_char_p)


class _Holder:
    """What numpy.from_dlpack wants in place of a bare capsule."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_: object) -> object:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU


def _address(capsule: object) -> int:
    try:
        address = _pointer_of(capsule, b"dltensor")
    except ValueError as error:
        raise TritonModelException("DLPack capsule was used already, or is no capsule") from error
    return int(address)


def export(array: NDArray[Any], *, is_bf16: bool) -> object:
    """Return a capsule that shares the memory of `array`; with `is_bf16` its UINT16 are BF16."""
    if not array.flags.writeable:
        array = array.copy()
    capsule = array.__dlpack__()
    if is_bf16:
        ctypes.c_uint8.from_address(_address(capsule) + _TYPE_AT).value = _BFLOAT_CODE
    return capsule


def take(source: Any) -> tuple[NDArray[Any], bool]:
    """Return the array in a capsule, or in an object that makes one, and whether it is BF16.

    The array shares memory with the source. Raises TritonModelException for what is not in host
    memory or not contiguous.
    """
    if hasattr(source, "__dlpack__") and hasattr(source, "__dlpack_device__"):
        if source.__dlpack_device__()[0] not in _HOST_DEVICES:
            capsule = source.__dlpack__(dl_device=CPU, copy=True)
        else:
            capsule = source.__dlpack__()
    elif type(source).__name__ == "PyCapsule":
        capsule = source
    else:
        raise TritonModelException(
            "DLPack tensor must be a capsule or have __dlpack__ and __dlpack_device__, "
            f"found type '{type(source)}'"
        )
    address = _address(capsule)
    if ctypes.c_int32.from_address(address + _DEVICE_AT).value not in _HOST_DEVICES:
        raise TritonModelException("Tensor is stored in GPU and cannot be converted to NumPy.")
    code = ctypes.c_uint8.from_address(address + _TYPE_AT)
    is_bf16 = code.value == _BFLOAT_CODE
    if is_bf16:
        code.value = _UINT_CODE
    array: NDArray[Any] = numpy.from_dlpack(_Holder(capsule))  # type: ignore[arg-type]
    if not array.flags.c_contiguous:
        raise TritonModelException(
            "DLPack tensor is not contiguous. Only contiguous DLPack tensors that are stored in "
            "C-Order are supported."
        )
    return array, is_bf16
