"""Pieces of shared memory as this process sees them."""

from __future__ import annotations

import mmap
from typing import Any

import numpy
from numpy.typing import NDArray


class Segment:
    """What a memory grew by at a time: `size` bytes of its file, a multiple of 4, from `start` on.

    `words` are the bytes as u32; `address` is where they are in this process.
    """

    __slots__ = ("address", "end", "mapping", "start", "words")

    def __init__(self, fd: int, start: int, size: int) -> None:
        self.start = start
        self.end = start + size
        self.mapping = mmap.mmap(fd, size, offset=start)
        self.words = memoryview(self.mapping).cast("I")
        self.address = address_of(numpy.frombuffer(self.mapping, numpy.uint8))


def address_of(array: NDArray[Any]) -> int:
    """Return where the data of `array` begins."""
    address: int = array.__array_interface__["data"][0]
    return address
