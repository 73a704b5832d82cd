"""The shared memory that the server writes and this process reads.

Blocks are lent to us with word 0 of their header set to 1; storing 0 there gives a block back. A
block may go back when no array refers to it any more, and arrays may be kept by the model for as
long as it likes. So each block has one root array, the base of all views into it, and a block is
free when its root's reference count says that nobody but this module knows it. Blocks that are
still referred to are looked at again when later ones are.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections import deque
from typing import Any, Final

import numpy
from numpy.typing import NDArray

# The first bytes hold one byte per open request: whether its client has gone.
CANCEL_PAGE_SIZE: Final = 64 << 10
NO_CANCEL_INDEX: Final = 0xFFFFFFFF
BLOCK_HEADER_SIZE: Final = 64
# How many held blocks one look covers: more than one batch brings, so that it catches up.
_LOOKS: Final = 8

Root = NDArray[numpy.uint8]


class InputArena:
    """Views of the server's memory. Thread-safe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._mapped_end = 0
        # Start, end, mapping and its bytes as u32, in the order of their places.
        self._mappings: list[tuple[int, int, mmap.mmap, memoryview]] = []
        self._mapping_lock = threading.Lock()
        self._held: deque[tuple[Root, memoryview, int]] = deque()
        self._cancel_page: mmap.mmap | None = None
        self._alone = self._references_of_an_unused_root()

    def block(self, place: int, arena_size: int) -> Root:
        """Return the root of the block whose data starts at `place`, and hold the block.

        Nobody else may keep the root itself but in arrays and tensors made from it. ValueError if
        `place` is outside the memory.
        """
        if arena_size > self._mapped_end:
            self._map(arena_size)
        for found in reversed(self._mappings):
            if place >= found[0]:
                break
        else:
            raise ValueError(f"no mapping of the inputs holds byte {place}")
        start, end, mapping, words = found
        if not start + BLOCK_HEADER_SIZE <= place <= end:
            raise ValueError(f"no mapping of the inputs holds a block at byte {place}")
        at = place - start
        root: Root = numpy.ndarray((end - place,), numpy.uint8, mapping, at)
        self._held.append((root, words, (at - BLOCK_HEADER_SIZE) >> 2))
        return root

    def _map(self, arena_size: int) -> None:
        with self._mapping_lock:
            start = self._mapped_end
            if arena_size <= start:
                return
            size = os.fstat(self._fd).st_size
            if arena_size > size:
                raise ValueError(f"inputs of {arena_size} bytes in a memory of {size}")
            mapping = mmap.mmap(self._fd, arena_size - start, offset=start)
            if start == 0:
                self._cancel_page = mapping
            words = memoryview(mapping).cast("I")
            self._mappings.append((start, arena_size, mapping, words))
            self._mapped_end = arena_size

    def release(self) -> None:
        """Give back blocks, of the oldest few, that nothing refers to any more."""
        held = self._held
        for _ in range(min(len(held), _LOOKS)):
            try:
                root, words, word = held.popleft()
            except IndexError:  # another thread is looking, too
                return
            if sys.getrefcount(root) > self._alone:
                held.append((root, words, word))
            else:
                words[word] = 0

    def held_count(self) -> int:
        """Return how many blocks are not given back yet."""
        return len(self._held)

    def is_cancelled(self, index: int) -> bool:
        """Whether the client of the request with this place in the cancel page has gone."""
        page = self._cancel_page
        return page is not None and index < CANCEL_PAGE_SIZE and page[index] != 0

    @staticmethod
    def _references_of_an_unused_root() -> int:
        """Return what `getrefcount` says in `release` of a root that only `release` knows.

        Interpreters differ in how many references a local variable and an argument count for.
        """
        held: deque[tuple[Any, None, int]] = deque()
        held.append((numpy.empty(1, numpy.uint8), None, 0))
        root, _, _ = held.popleft()
        return sys.getrefcount(root)
