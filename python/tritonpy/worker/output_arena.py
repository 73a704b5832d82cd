"""The shared memory that this process writes and the server reads.

It grows by segments and is cut into blocks. Word 0 of a block's header is 1 while the server has
the block; the server stores 0 when it is done. Nothing else tells us, so blocks of one size stand
in one queue, whether free or lent, and whoever needs one looks at the oldest few.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import deque
from typing import Final

from tritonpy.worker.errors import TritonModelException
from tritonpy.worker.memory_limit import available_memory
from tritonpy.worker.segment import Segment

BLOCK_HEADER_SIZE: Final = 64
MEBIBYTE: Final = 1 << 20
_SMALLEST_CLASS: Final = 12  # 4 KiB
_LARGEST_CLASS: Final = 20  # 1 MiB
_LOOKS: Final = 16
# Idle blocks of more than 1 MiB keep their memory up to this sum.
IDLE_BYTES_MAX: Final = 64 * MEBIBYTE
# Growth by less is not worth asking how much memory there is.
_UNCHECKED_GROWTH: Final = 16 * MEBIBYTE


class Block:
    """Memory of `size` bytes, header included, at `at` in `mapping`; `data_*` is behind the header.

    `place` is where the server knows it to be, `address` where its data is in this process.
    `lent_count` says which loan it is that is on: the server may be done with one, and the block
    lent to it again.
    """

    __slots__ = (
        "address",
        "at",
        "data_at",
        "data_place",
        "is_given_back",
        "lent_count",
        "mapping",
        "place",
        "size",
        "word",
        "words",
    )

    def __init__(self, segment: Segment, at: int, size: int):
        self.mapping = segment.mapping
        self.words = segment.words
        self.at = at
        self.data_at = at + BLOCK_HEADER_SIZE
        self.address = segment.address + self.data_at
        self.word = at >> 2
        self.place = segment.start + at
        self.data_place = self.place + BLOCK_HEADER_SIZE
        self.size = size
        self.is_given_back = False
        self.lent_count = 0

    def is_free(self) -> bool:
        """Whether the server has done with it."""
        return self.words[self.word] == 0


class OutputArena:
    """Allocates blocks for the server to read. Thread-safe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self.size = os.fstat(fd).st_size  # of the memory: what messages call arena_size
        self._segment: Segment | None = None  # the last
        self._used = 0  # of that
        self._classes: list[deque[Block]] = [deque() for _ in range(_LARGEST_CLASS + 1)]
        self._large: deque[Block] = deque()

    def lend(self, size: int) -> Block:
        """Return a block for `size` bytes, 64-byte aligned.

        TritonModelException where there is no memory for it.
        """
        needed = size + BLOCK_HEADER_SIZE
        with self._lock:
            block = self._small(needed) if needed <= MEBIBYTE else self._big(needed)
            block.words[block.word] = 1
            block.lent_count += 1
            return block

    def cut(self, size: int) -> Block:
        """Return a block of `size` bytes, header included, which `lend` will never return.

        TritonModelException where there is no memory for it.
        """
        with self._lock:
            return self._cut(size)

    def _small(self, needed: int) -> Block:
        number = max((needed - 1).bit_length(), _SMALLEST_CLASS)
        blocks = self._classes[number]
        for _ in range(min(len(blocks), _LOOKS)):
            block = blocks[0]
            if block.words[block.word] == 0:
                return block
            blocks.rotate(-1)
        block = self._cut(1 << number)
        blocks.append(block)
        return block

    def _big(self, needed: int) -> Block:
        """Take the first free block that fits and wastes less than half, or a new one."""
        size = -(-needed // MEBIBYTE) * MEBIBYTE
        found = None
        idle = 0
        for block in self._large:
            if not block.is_free():
                continue
            if found is None and size <= block.size < 2 * size:
                found = block
            elif not block.is_given_back:
                idle += block.size
                if idle > IDLE_BYTES_MAX:
                    block.mapping.madvise(mmap.MADV_REMOVE, block.at, block.size)
                    block.is_given_back = True
        if found is None:
            found = self._cut(size)
            self._large.append(found)
        elif found.is_given_back:
            self._reserve(found.place, found.size)
            found.is_given_back = False
        return found

    def _cut(self, size: int) -> Block:
        """Take `size` bytes that were never used, in a new segment if need be."""
        segment = self._segment
        if segment is None or segment.start + self._used + size > segment.end:
            segment = self._segment = self._grown(size)
            self._used = 0
        block = Block(segment, self._used, size)
        self._used += size
        return block

    def _grown(self, needed: int) -> Segment:
        """Append a segment; what is left of the last one is used no more."""
        ahead = min(self.size // 2, _UNCHECKED_GROWTH) if needed <= MEBIBYTE else 0
        wanted = max(needed, MEBIBYTE, ahead)
        size = -(-wanted // MEBIBYTE) * MEBIBYTE
        start = self.size
        self._reserve(start, size)
        segment = Segment(self._fd, start, size)
        self.size = segment.end
        return segment

    def _reserve(self, start: int, size: int) -> None:
        """Have the kernel set the memory aside now, so that writing to it cannot fail."""
        try:
            if size > _UNCHECKED_GROWTH and size > available_memory():
                raise MemoryError(f"{size} bytes are wanted, {available_memory()} are available")
            os.posix_fallocate(self._fd, start, size)
        except (OSError, MemoryError, OverflowError) as error:
            raise TritonModelException(
                f"Failed to increase the shared memory pool size by {size} bytes: {error}"
            ) from error
