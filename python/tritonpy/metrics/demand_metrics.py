"""The metrics of models on demand and of their memory, with names of our own: Triton has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from tritonpy.metrics.exposition import Family, Labels, Sample
from tritonpy.repository.demand import DemandCounters, LoadCounters

_NS_PER_S: Final = 1e9
_Counted: TypeAlias = tuple[DemandCounters, LoadCounters]

_COUNTERS: Final[Sequence[tuple[str, str, Callable[[DemandCounters, LoadCounters], float]]]] = (
    (
        "tritonpy_model_demand_hits_total",
        "Number of requests that found their model in memory",
        lambda asked, _: asked.hits,
    ),
    (
        "tritonpy_model_demand_waits_total",
        "Number of requests that had to wait for their model, or were refused meanwhile",
        lambda asked, _: asked.waits,
    ),
    (
        "tritonpy_model_cold_loads_total",
        "Number of times that a model was loaded because it was asked for",
        lambda _, loads: loads.loads,
    ),
    (
        "tritonpy_model_cold_load_failures_total",
        "Number of times that such a load failed",
        lambda _, loads: loads.failures,
    ),
    (
        "tritonpy_model_cold_load_seconds_total",
        "Cumulative time of those that succeeded",
        lambda _, loads: loads.load_ns / _NS_PER_S,
    ),
    (
        "tritonpy_model_evictions_total",
        "Number of times that a model was taken out of memory for others",
        lambda _, loads: loads.evictions,
    ),
)


class ModelsOnDemand(Protocol):
    """What metrics ask of the models on demand."""

    def counters(self) -> Sequence[_Counted]:
        """Return the counters of each, by identifier."""


class Budget(Protocol):
    """What metrics ask of the memory budget."""

    @property
    def limit(self) -> int:
        """The bytes that models may take; 0: any."""

    def taken(self) -> Mapping[str, int]:
        """Return the bytes of every model that serves."""


class DemandMetrics:
    """Thread-safe: reads, and keeps nothing."""

    def __init__(self, models: ModelsOnDemand | None, budget: Budget) -> None:
        """`models` is None where every model is there or is not."""
        self._models = models
        self._budget = budget

    def families(self) -> Iterator[Family]:
        """Yield every family; none where no model is on demand."""
        if self._models is None:
            return
        counted = [one for one in self._models.counters() if one[0].hits or one[0].waits]
        for name, meaning, value in _COUNTERS:
            samples = [Sample(_labels(asked.name), value(asked, loads)) for asked, loads in counted]
            yield Family(name, meaning, "counter", samples)
        yield Family(
            "tritonpy_model_requests_waiting",
            "Number of requests that wait for their model to be loaded",
            "gauge",
            [Sample(_labels(asked.name), asked.waiting) for asked, _ in counted],
        )
        yield Family(
            "tritonpy_model_memory_bytes",
            "Bytes of the memory budget that a model takes: its files and its processes",
            "gauge",
            [Sample(_labels(name), size) for name, size in sorted(self._budget.taken().items())],
        )
        yield Family(
            "tritonpy_model_memory_budget_bytes",
            "Bytes that the models may take together, 0 for any",
            "gauge",
            [Sample((), self._budget.limit)],
        )


def _labels(identifier: str) -> Labels:
    return (("model", identifier),)
