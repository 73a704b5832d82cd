"""The metrics that Python models make: families by name, metrics by labels, shared by all models.

Who makes what another has made already gets the same, and it goes when the last holder lets go of
it or dies. Rules and texts are those of Triton's custom metrics.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tritonpy.errors import InvalidArgError

Labels: TypeAlias = tuple[tuple[str, str], ...]

KINDS: Final = ("counter", "gauge", "histogram")
FAMILIES_MAX: Final = 1000
METRICS_MAX: Final = 10_000  # of one family
BUCKETS_MAX: Final = 1000
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
FAMILY_GONE: Final = (
    "Invalid metric operation as the corresponding 'MetricFamily' has been deleted. The "
    "'MetricFamily' object should be deleted AFTER its corresponding 'Metric' objects have been "
    "deleted."
)


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One metric now. A histogram has counts, one more than it has buckets, and their sum."""

    labels: Labels
    value: float  # of a histogram: the sum of what was observed
    buckets: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricFamilyValue:
    """A family and its metrics now."""

    name: str
    description: str
    kind: str
    metrics: tuple[MetricValue, ...]


class Metric:
    """One metric. Guarded by the store's lock."""

    def __init__(self, family: MetricFamily, labels: Labels, buckets: tuple[float, ...]) -> None:
        self.family = family
        self.labels = labels
        self.buckets = buckets
        self.holders = 0
        self._value = 0.0
        self._counts = [0] * (len(buckets) + 1)

    def update(self, operation: str, amount: float) -> None:
        """Increment, set or observe. Raises InvalidArgError for what the kind does not do."""
        kind = self.family.kind
        if operation == "increment" and kind != "histogram":
            if kind == "counter" and not amount >= 0:
                raise InvalidArgError(
                    "TRITONSERVER_METRIC_KIND_COUNTER can only be incremented monotonically by "
                    "non-negative values."
                )
            self._value += amount
        elif operation == "set" and kind == "gauge":
            self._value = amount
        elif operation == "observe" and kind == "histogram":
            self._counts[bisect_left(self.buckets, amount)] += 1
            self._value += amount
        else:
            raise InvalidArgError(
                f"TRITONSERVER_METRIC_KIND_{kind.upper()} does not support {operation.capitalize()}"
            )

    def value(self) -> float:
        """Return a counter's or a gauge's value; InvalidArgError for a histogram."""
        if self.family.kind == "histogram":
            raise InvalidArgError("TRITONSERVER_METRIC_KIND_HISTOGRAM does not support Value")
        return self._value

    def snapshot(self) -> MetricValue:
        """Return the metric as it is now."""
        counts = tuple(self._counts) if self.buckets else ()
        return MetricValue(self.labels, self._value, self.buckets, counts)


@dataclass(slots=True)
class MetricFamily:
    """One family. Guarded by the store's lock."""

    name: str
    description: str
    kind: str
    holders: int = 0
    metrics: dict[Labels, Metric] = field(default_factory=dict)


class MetricStore:
    """Every family there is. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._families: dict[str, MetricFamily] = {}

    def families(self) -> list[MetricFamilyValue]:
        """Return all families that have a metric, by name."""
        with self._lock:
            return [
                MetricFamilyValue(
                    family.name,
                    family.description,
                    family.kind,
                    tuple(metric.snapshot() for _, metric in sorted(family.metrics.items())),
                )
                for _, family in sorted(self._families.items())
                if family.metrics
            ]

    def holder(self) -> MetricHolder:
        """Return what one worker makes metrics through."""
        return MetricHolder(self._lock, self._families)


class MetricHolder:
    """What one worker holds, by the numbers that it knows them by. Thread-safe."""

    def __init__(self, lock: threading.Lock, families: dict[str, MetricFamily]) -> None:
        self._lock = lock
        self._families = families
        self._last_number = 0
        self._held_families: dict[int, MetricFamily] = {}
        self._held_metrics: dict[int, Metric] = {}

    def make_family(self, name: str, description: str, kind: str) -> int:
        """Return the number of a family. Raises InvalidArgError for a wrong name or kind."""
        if kind not in KINDS or not _NAME.fullmatch(name):
            raise InvalidArgError(f"'{name}' is no name of a metric family of kind '{kind}'")
        with self._lock:
            family = self._families.get(name)
            if family is None:
                if len(self._families) >= FAMILIES_MAX:
                    raise InvalidArgError(f"there are {FAMILIES_MAX} metric families already")
                family = self._families[name] = MetricFamily(name, description, kind)
            if family.kind != kind:
                raise InvalidArgError(f"metric family '{name}' exists as a {family.kind}")
            family.holders += 1
            self._last_number += 1
            self._held_families[self._last_number] = family
            return self._last_number

    def make_metric(
        self, family_number: int, labels: Labels, buckets: Sequence[float] | None
    ) -> int:
        """Return the number of a metric. Raises InvalidArgError for wrong labels or buckets."""
        for name, _ in labels:
            if not _LABEL.fullmatch(name) or name == "le":
                raise InvalidArgError(f"'{name}' is no name of a label")
        with self._lock:
            family = self._held_families.get(family_number)
            if family is None:
                raise InvalidArgError(FAMILY_GONE)
            boundaries = _boundaries(family.kind, buckets)
            key = tuple(sorted(labels))
            metric = family.metrics.get(key)
            if metric is None:
                if len(family.metrics) >= METRICS_MAX:
                    raise InvalidArgError(
                        f"metric family '{family.name}' has {METRICS_MAX} metrics already"
                    )
                metric = family.metrics[key] = Metric(family, key, boundaries)
            metric.holders += 1
            self._last_number += 1
            self._held_metrics[self._last_number] = metric
            return self._last_number

    def update(self, number: int, operation: str, amount: float) -> None:
        """Increment, set or observe. Raises InvalidArgError."""
        with self._lock:
            self._live_metric(number).update(operation, amount)

    def value(self, number: int) -> float:
        """Return the value of a counter or gauge. Raises InvalidArgError."""
        with self._lock:
            return self._live_metric(number).value()

    def delete_metric(self, number: int) -> None:
        """Let go of a metric; one that is not held is gone already."""
        with self._lock:
            metric = self._held_metrics.pop(number, None)
            if metric is not None:
                _let_go_of_metric(metric)

    def delete_family(self, number: int) -> None:
        """Let go of a family, and with it of its metrics, which are of no use any more."""
        with self._lock:
            family = self._held_families.pop(number, None)
            if family is not None:
                self._let_go_of_family(family)

    def release(self) -> None:
        """Let go of everything."""
        with self._lock:
            for metric in self._held_metrics.values():
                _let_go_of_metric(metric)
            for family in self._held_families.values():
                self._let_go_of_family(family)
            self._held_metrics.clear()
            self._held_families.clear()

    def _live_metric(self, number: int) -> Metric:
        metric = self._held_metrics.get(number)
        if metric is None or metric.family not in self._held_families.values():
            raise InvalidArgError(FAMILY_GONE)
        return metric

    def _let_go_of_family(self, family: MetricFamily) -> None:
        family.holders -= 1
        if family.holders == 0:
            family.metrics.clear()
            del self._families[family.name]


def _let_go_of_metric(metric: Metric) -> None:
    metric.holders -= 1
    if metric.holders == 0:
        metric.family.metrics.pop(metric.labels, None)


def _boundaries(kind: str, buckets: Sequence[float] | None) -> tuple[float, ...]:
    if kind != "histogram":
        if buckets:
            raise InvalidArgError(f"Unexpected args found in {kind} Metric constructor.")
        return ()
    if not buckets:
        raise InvalidArgError("Bucket boundaries not found in Metric args.")
    if len(buckets) > BUCKETS_MAX or list(buckets) != sorted(set(buckets)):
        raise InvalidArgError(f"buckets must ascend, and be at most {BUCKETS_MAX}")
    return tuple(buckets)
