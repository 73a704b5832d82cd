"""The metrics that Python models make, as families of the page."""

from __future__ import annotations

from collections.abc import Iterator

from tritonpy.metrics.exposition import Family, Sample, histogram
from tritonpy.worker_host import MetricFamilyValue, MetricStore


class CustomMetrics:
    """Thread-safe: reads, and keeps nothing."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store

    def families(self) -> Iterator[Family]:
        """Yield every family that has a metric."""
        for family in self._store.families():
            yield Family(family.name, family.description, family.kind, list(_samples(family)))


def _samples(family: MetricFamilyValue) -> Iterator[Sample]:
    for metric in family.metrics:
        if family.kind == "histogram":
            yield from histogram(metric.labels, metric.buckets, metric.counts, metric.value)
        else:
            yield Sample(metric.labels, metric.value)
