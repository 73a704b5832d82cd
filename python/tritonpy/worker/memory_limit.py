"""How much memory this process may still take: the machine's, or that of its control group."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/proc/meminfo")
_GROUP: Final = Path("/sys/fs/cgroup")
_UNKNOWN: Final = 1 << 62


def available_memory() -> int:
    """Return the bytes that can be taken before the kernel ends processes, as far as it says."""
    return min(_of_the_machine(), _of_the_group())


def _of_the_machine() -> int:
    try:
        for line in _MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return _UNKNOWN


def _of_the_group() -> int:
    try:
        most = int((_GROUP / "memory.max").read_text())
        return max(0, most - int((_GROUP / "memory.current").read_text()))
    except (OSError, ValueError):  # no such group, or "max"
        return _UNKNOWN
