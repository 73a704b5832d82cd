"""The shared memory that the server writes and this process reads.

Blocks are lent to us with word 0 of their header set to 1; storing 0 there gives a block back. A
block may go back when no array refers to it any more, and arrays may be kept by the model for as
long as it likes. So a block knows the arrays that were made of it, each the base of all views into
it, and is free when their reference counts say that nobody else knows them. Blocks that are still
referred to are looked at again when later ones are.

What the model sends on as it came need not be copied: the server can be named bytes of a block that
it lent, and reads them there. Word 1 of the block's header counts how often it was; the server
waits for as many names before it uses the block again.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import deque
from sys import getrefcount
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from tritonpy.worker.segment import Segment, address_of

# The first bytes hold one byte per open request: whether its client has gone.
CANCEL_PAGE_SIZE: Final = 64 << 10
NO_CANCEL_INDEX: Final = 0xFFFFFFFF
BLOCK_HEADER_SIZE: Final = 64
# How many held blocks one look covers: more than one batch brings, so that it catches up.
_LOOKS: Final = 8


class InputBlock:
    """The memory of one message's tensors: `mapping` from `at` on, and the arrays made of it.

    `place` is where the server knows it to be, `address` where this process does.
    """

    __slots__ = ("address", "arrays", "at", "mapping", "place", "word", "words")

    def __init__(self, segment: Segment, place: int) -> None:
        self.mapping = segment.mapping
        self.at = place - segment.start
        self.place = place
        self.address = segment.address + self.at
        self.words = segment.words
        self.word = (self.at - BLOCK_HEADER_SIZE) >> 2
        self.arrays: list[NDArray[Any]] = []

    def place_of(self, array: NDArray[Any]) -> int:
        """Return where the server knows the data of an array of this block to be."""
        return self.place + address_of(array) - self.address


class InputArena:
    """Blocks of the server's memory. Thread-safe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._mapped_end = 0
        self._segments: list[Segment] = []  # in the order of their places
        self._mapping_lock = threading.Lock()
        self._naming_lock = threading.Lock()
        # By place: as many as the server ever lent at the same time, each lent once at a time.
        self._known: dict[int, InputBlock] = {}
        self.held: Final[deque[InputBlock]] = deque()
        self._cancel_page: mmap.mmap | None = None
        self._alone = self._references_of_an_unused_array()

    def block(self, place: int, arena_size: int) -> InputBlock:
        """Return the block whose data starts at `place`, and hold it until its arrays are unused.

        ValueError if `place` is outside the memory.
        """
        block = self._known.get(place)
        if block is None:
            block = self._known[place] = self._found(place, arena_size)
        self.held.append(block)
        return block

    def _found(self, place: int, arena_size: int) -> InputBlock:
        if arena_size > self._mapped_end:
            self._map(arena_size)
        for segment in reversed(self._segments):
            if segment.start + BLOCK_HEADER_SIZE <= place <= segment.end:
                return InputBlock(segment, place)
        raise ValueError(f"no mapping of the inputs holds a block at byte {place}")

    def _map(self, arena_size: int) -> None:
        with self._mapping_lock:
            start = self._mapped_end
            if arena_size <= start:
                return
            size = os.fstat(self._fd).st_size
            if arena_size > size:
                raise ValueError(f"inputs of {arena_size} bytes in a memory of {size}")
            segment = Segment(self._fd, start, arena_size - start)
            if start == 0:
                self._cancel_page = segment.mapping
            self._segments.append(segment)
            self._mapped_end = arena_size

    def block_of(self, array: NDArray[Any]) -> InputBlock | None:
        """Return the block that `array` is most of and lies in as it would be sent, if there is."""
        if not array.flags.c_contiguous:
            return None
        root: Any = array
        while isinstance(root.base, numpy.ndarray):
            root = root.base
        for block in tuple(self._known.values()):
            if any(each is root for each in block.arrays):
                # A small part would keep all the rest from being used again.
                is_most = 2 * array.nbytes >= sum(each.nbytes for each in block.arrays)
                return block if is_most else None
        return None

    def name_back(self, block: InputBlock) -> None:
        """Count that the server is told of bytes of `block`, by the message that comes next."""
        with self._naming_lock:
            block.words[block.word + 1] += 1

    def release(self) -> None:
        """Give back blocks, of the oldest few, that nothing refers to any more."""
        held, alone = self.held, self._alone
        for _ in range(min(len(held), _LOOKS)):
            try:
                block = held.popleft()
            except IndexError:  # another thread is looking, too
                return
            for array in block.arrays:
                if getrefcount(array) > alone:
                    held.append(block)
                    break
            else:
                block.arrays.clear()
                block.words[block.word] = 0

    def is_cancelled(self, index: int) -> bool:
        """Whether the client of the request with this place in the cancel page has gone."""
        page = self._cancel_page
        return page is not None and index < CANCEL_PAGE_SIZE and page[index] != 0

    @staticmethod
    def _references_of_an_unused_array() -> int:
        """Return what `getrefcount` says in `release` of an array that only its block knows.

        Interpreters differ in how many references a local variable and an argument count for.
        """
        for array in [numpy.empty(1, numpy.uint8)]:
            count = getrefcount(array)
        return count
