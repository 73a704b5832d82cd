"""Tensors of the core as numpy arrays, and back.

numpy is imported by who makes the first array: it takes an eighth of a second, and a server with
native sockets has answered its first requests by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonpy import _core

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_WIRE_TYPE_OF_KIND = {
    "b1": "BOOL",
    "u1": "UINT8",
    "u2": "UINT16",
    "u4": "UINT32",
    "u8": "UINT64",
    "i1": "INT8",
    "i2": "INT16",
    "i4": "INT32",
    "i8": "INT64",
    "f2": "FP16",
    "f4": "FP32",
    "f8": "FP64",
}
_KIND_OF_WIRE_TYPE = {wire: kind for kind, wire in _WIRE_TYPE_OF_KIND.items()}
_KIND_OF_WIRE_TYPE["BF16"] = "u2"  # numpy has no bfloat16: its bit patterns


def core_input(
    name: str, array: npt.NDArray[np.generic]
) -> tuple[str, str, tuple[int, ...], object]:
    """Lower one array for the core; its memory is borrowed unless it must be made contiguous."""
    import numpy as np

    if array.dtype.kind in "OSU":
        serialised = bytearray()
        for element in array.ravel().tolist():
            data = element.encode() if isinstance(element, str) else element
            serialised += len(data).to_bytes(4, "little") + data
        return name, "BYTES", array.shape, bytes(serialised)
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    return name, _WIRE_TYPE_OF_KIND.get(kind, kind), array.shape, np.ascontiguousarray(array)


def array_of(view: _core.TensorView) -> npt.NDArray[np.generic]:
    """Return one output as a read-only array that borrows the core's memory (BYTES: a copy)."""
    import numpy as np

    if view.data_type == "BYTES":
        array = np.empty(len(elements := _core.unpack_bytes(view)), dtype=object)
        array[:] = elements
    else:
        array = np.frombuffer(memoryview(view), dtype=_KIND_OF_WIRE_TYPE[view.data_type])
    return array.reshape(view.shape)
