"""Where memory is in this process."""

from __future__ import annotations

import mmap
from typing import Any

import numpy
from numpy.typing import NDArray


def address_of(array: NDArray[Any]) -> int:
    """Return where the data of `array` begins."""
    address: int = array.__array_interface__["data"][0]
    return address


def address_of_mapping(mapping: mmap.mmap) -> int:
    """Return where `mapping` begins."""
    return address_of(numpy.frombuffer(mapping, numpy.uint8))
