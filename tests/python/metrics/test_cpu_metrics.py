"""Goal: processors and memory are measured as Triton measures them.

Method: files of /proc written by the test.
"""

from __future__ import annotations

from pathlib import Path

from tritonpy.metrics import CpuMetrics


def _write(proc: Path, times: str, memory: str = "MemTotal: 100 kB\nMemAvailable: 30 kB\n") -> None:
    (proc / "stat").write_text(f"cpu {times}\ncpu0 1 2 3\n")
    (proc / "meminfo").write_text(memory)


def _values(metrics: CpuMetrics) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in metrics.families()}


def test_utilization_is_over_the_time_between_scrapes(tmp_path: Path) -> None:
    _write(tmp_path, "100 0 100 700 100 0 0 0 50 50")
    metrics = CpuMetrics(tmp_path)
    _write(tmp_path, "120 5 105 750 110 5 3 2 99 99")
    assert _values(metrics)["nv_cpu_utilization"] == 0.4
    _write(tmp_path, "120 5 105 850 110 5 3 2 99 99")
    assert _values(metrics)["nv_cpu_utilization"] == 0.0


def test_scrape_without_any_time_passed_repeats_the_last(tmp_path: Path) -> None:
    _write(tmp_path, "0 0 0 0 0 0 0 0")
    metrics = CpuMetrics(tmp_path)
    _write(tmp_path, "30 0 0 10 0 0 0 0")
    assert _values(metrics)["nv_cpu_utilization"] == 0.75
    assert _values(metrics)["nv_cpu_utilization"] == 0.75


def test_memory_is_in_bytes(tmp_path: Path) -> None:
    _write(tmp_path, "1 1 1 1 1 1 1 1")
    values = _values(CpuMetrics(tmp_path))
    assert values["nv_cpu_memory_total_bytes"] == 100 * 1024
    assert values["nv_cpu_memory_used_bytes"] == 70 * 1024


def test_machine_without_proc_has_no_such_metrics(tmp_path: Path) -> None:
    assert _values(CpuMetrics(tmp_path)) == {}
    _write(tmp_path, "not numbers", "nothing")
    assert _values(CpuMetrics(tmp_path)) == {}
