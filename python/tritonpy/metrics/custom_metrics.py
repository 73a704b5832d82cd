"""The metrics that Python models make, as families of the page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from tritonpy.metrics.exposition import Family, Sample
from tritonpy.worker_host import MetricFamilyValue, MetricStore, MetricValue


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
            yield from _histogram(metric)
        else:
            yield Sample(metric.labels, metric.value)


def _histogram(metric: MetricValue) -> Iterator[Sample]:
    totals = list(accumulate(metric.counts))
    bounds = [*(f"{bound:.15g}" for bound in metric.buckets), "+Inf"]
    for bound, total in zip(bounds, totals, strict=True):
        yield Sample((*metric.labels, ("le", bound)), total, "_bucket")
    yield Sample(metric.labels, metric.value, "_sum")
    yield Sample(metric.labels, totals[-1], "_count")
