"""Several tensors that go out in one block of shared memory."""

from __future__ import annotations

from typing import Any, Final

import numpy
from numpy.typing import NDArray

from tritonpy.worker.data_types import STRING
from tritonpy.worker.output_arena import Block, OutputArena
from tritonpy.worker.tensor import Tensor

_ALIGNMENT: Final = 64
# Copies of at least this many bytes let other threads run meanwhile; it costs a microsecond.
_LARGE: Final = 256 << 10


class OutputBlock:
    """Gathers what is to be written, then writes it in one go. `end`: where the next one goes."""

    __slots__ = ("_pieces", "end")

    def __init__(self) -> None:
        self.end = 0
        self._pieces: list[tuple[int, int, NDArray[Any] | bytes]] = []

    def add(self, tensor: Tensor) -> int:
        """Plan to write what `tensor` is at `end`; return its size."""
        array = tensor._array
        source: NDArray[Any] | bytes
        if array is None or tensor._code == STRING:
            source = tensor._serialized_now()
            size = len(source)
        else:
            source, size = array, array.nbytes
        if size:
            self._pieces.append((self.end, size, source))
            self.end = (self.end + size + _ALIGNMENT - 1) & -_ALIGNMENT
        return size

    def write(self, arena: OutputArena) -> Block | None:
        """Copy everything into a block of `arena`; None if there are no bytes.

        TritonModelException where there is no memory for it.
        """
        if not self.end:
            return None
        block = arena.lend(self.end)
        mapping, at = block.mapping, block.data_at
        for offset, size, source in self._pieces:
            start = at + offset
            if size < _LARGE:
                try:
                    mapping[start : start + size] = source  # type: ignore[assignment]
                    continue
                except ValueError:  # not contiguous
                    pass
            if isinstance(source, bytes):
                mapping[start : start + size] = source
            else:
                numpy.ndarray(source.shape, source.dtype, mapping, start)[...] = source
        return block
