"""The metrics of the machine's processors and memory, read from /proc when asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tritonpy.metrics.exposition import Family, Sample

_PROC: Final = Path("/proc")
# Positions in the first line of /proc/stat, after its name: time doing nothing.
_IDLE, _IOWAIT = 3, 4
# user to steal: what comes after is counted in user and nice already.
_TIMES: Final = 8


@dataclass(frozen=True, slots=True)
class _CpuTimes:
    """Time of all processors since the machine started, in ticks."""

    busy: int
    total: int


class CpuMetrics:
    """Thread-safe. Utilisation is over the time since the scrape before, or since it was made."""

    def __init__(self, proc: Path = _PROC) -> None:
        self._proc = proc
        self._lock = threading.Lock()
        self._last = self._times()
        self._utilization = 0.0

    def families(self) -> Iterator[Family]:
        """Yield what can be read; nothing on a machine without /proc."""
        with self._lock:
            times = self._times()
            if times is not None and self._last is not None and times.total > self._last.total:
                passed = times.total - self._last.total
                self._utilization = (times.busy - self._last.busy) / passed
            self._last = times
            utilization = self._utilization
        if times is not None:
            yield _gauge("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", utilization)
        memory = self._memory()
        if memory is not None:
            total, used = memory
            yield _gauge("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", total)
            yield _gauge("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", used)

    def _times(self) -> _CpuTimes | None:
        try:
            with (self._proc / "stat").open() as file:
                fields = [int(field) for field in file.readline().split()[1:]][:_TIMES]
            idle = fields[_IDLE] + fields[_IOWAIT]
        except (OSError, ValueError, IndexError):
            return None
        return _CpuTimes(sum(fields) - idle, sum(fields))

    def _memory(self) -> tuple[int, int] | None:
        """Return total and used bytes."""
        try:
            lines = (self._proc / "meminfo").read_text().splitlines()
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
            total, available = kilobytes["MemTotal"], kilobytes["MemAvailable"]
        except (OSError, ValueError, IndexError, KeyError):
            return None
        return total * 1024, (total - available) * 1024


def _gauge(name: str, text: str, value: int | float) -> Family:
    return Family(name, text, "gauge", [Sample((), value)])
