"""Several tensors that go out in one block of shared memory.

Large ones that came from the server, and are sent on as they came, stay where they are.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy
from numpy.typing import NDArray

from tritonpy.worker.data_types import STRING
from tritonpy.worker.input_arena import InputArena, InputBlock
from tritonpy.worker.output_arena import Block, OutputArena
from tritonpy.worker.tensor import Tensor

_ALIGNMENT: Final = 64
# Copies of at least this many bytes let other threads run meanwhile; it costs a microsecond.
_LARGE: Final = 256 << 10
_NAMED_BACK: Final = 1


class Placed(NamedTuple):
    """What a message says of where a tensor is: in its block, or in the server's own memory."""

    flags: int
    offset: int
    size: int


class OutputBlock:
    """Gathers what is to be written, then writes it in one go. `end`: where the next one goes.

    With `inputs`, what lies there is not written but named back.
    """

    __slots__ = ("_inputs", "_named_back", "_pieces", "end")

    def __init__(self, inputs: InputArena | None = None) -> None:
        self.end = 0
        self._inputs = inputs
        self._pieces: list[tuple[int, int, NDArray[Any] | bytes]] = []
        self._named_back: list[InputBlock] = []

    def add(self, tensor: Tensor, base: int = 0) -> Placed:
        """Plan to send what `tensor` is; a place in the block is counted from `base` on."""
        array = tensor._array
        source: NDArray[Any] | bytes
        if array is None or tensor._code == STRING:
            source = tensor._serialized_now()
            size = len(source)
        else:
            source, size = array, array.nbytes
            if size >= _LARGE and self._inputs is not None:
                block = self._inputs.block_of(array)
                if block is not None:
                    self._named_back.append(block)
                    return Placed(_NAMED_BACK, block.place_of(array), size)
        offset = self.end
        if size:
            self._pieces.append((offset, size, source))
            self.end = (offset + size + _ALIGNMENT - 1) & -_ALIGNMENT
        return Placed(0, offset - base, size)

    def planned(self) -> tuple[int, int, int]:
        """Return how much is planned, for `forget_after`."""
        return self.end, len(self._pieces), len(self._named_back)

    def forget_after(self, planned: tuple[int, int, int]) -> None:
        """Plan no more than was planned then: the rest will not be sent."""
        self.end, piece_count, named_count = planned
        del self._pieces[piece_count:], self._named_back[named_count:]

    def write(self, arena: OutputArena) -> Block | None:
        """Copy everything into a block of `arena`; None if there is nothing to copy.

        What was planned must be sent then. TritonModelException where there is no memory for it.
        """
        block = self._write_pieces(arena) if self.end else None
        if self._inputs is not None:
            for named in self._named_back:
                self._inputs.name_back(named)
        return block

    def _write_pieces(self, arena: OutputArena) -> Block:
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
