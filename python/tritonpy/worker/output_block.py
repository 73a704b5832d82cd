"""Several tensors that go out in one block of shared memory."""

from __future__ import annotations

from typing import Any, Final

import numpy
from numpy.typing import NDArray

from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.tensor import Tensor

_ALIGNMENT: Final = 64
# Copies of at least this many bytes let other threads run meanwhile; it costs a microsecond.
_LARGE: Final = 256 << 10


class OutputBlock:
    """Gathers what is to be written, then writes it in one go."""

    __slots__ = ("_end", "_pieces")

    def __init__(self) -> None:
        self._end = 0
        self._pieces: list[tuple[int, int, NDArray[Any] | bytes]] = []

    def add(self, tensor: Tensor) -> tuple[int, int]:
        """Plan to write `tensor`; return its offset from the block's data, and its size."""
        source = tensor._source()
        size = len(source) if type(source) is bytes else source.nbytes  # type: ignore[union-attr]
        at = self._end
        if size:
            self._pieces.append((at, size, source))
            self._end = -(-(at + size) // _ALIGNMENT) * _ALIGNMENT
        return at, size

    def write(self, arena: OutputArena) -> int:
        """Copy everything into a block of `arena`; return its place, 0 if there are no bytes.

        TritonModelException where there is no memory for it.
        """
        if not self._end:
            return 0
        mapping, at, place = arena.lend(self._end)
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
        return place
