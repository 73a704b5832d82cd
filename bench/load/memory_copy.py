"""`python -m bench.load.memory_copy BYTES`: what it takes to move bytes there and back in memory.

A Python model's inputs are copied into memory that it shares with the server, and its outputs out
of the model's own: two copies. Whatever more it takes is the server's.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

_REPETITIONS = 15


def copy_ms(size: int, pin: Sequence[str]) -> float:
    """Return the milliseconds for copying `size` bytes twice, on the processors of `pin`."""
    command = [*pin, sys.executable, "-m", "bench.load.memory_copy", str(size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _median_ms(size: int) -> float:
    source, shared, target = (np.ones(size, np.uint8) for _ in range(3))
    taken = []
    for _ in range(_REPETITIONS):
        start = time.perf_counter()
        shared[...] = source
        target[...] = shared
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e3


if __name__ == "__main__":
    print(_median_ms(int(sys.argv[1])))
