"""The metrics of models, with Triton's names, read from the core's counters when asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tritonpy.config.model_metrics import FIRST_RESPONSE
from tritonpy.core import CacheCounters, DurationCount, ModelStatistics
from tritonpy.errors import TritonError
from tritonpy.metrics.cache_metrics import cache_families
from tritonpy.metrics.exposition import Family, Labels, Sample, histogram
from tritonpy.repository import ServedVersion

_NS_PER_US: Final = 1000
_NS_PER_MS: Final = 1e6
_NS_PER_S: Final = 1e9


class ServedModels(Protocol):
    """What metrics ask of the repository."""

    def all_served(self) -> Sequence[ServedVersion]:
        """Return every version that serves."""


class ModelCounters(Protocol):
    """What metrics ask of the core."""

    def statistics(self, name: str, version: int) -> ModelStatistics:
        """Return the counters of one version that serves."""

    def cache_counters(self) -> CacheCounters | None:
        """Return the counters of the response cache, None where there is none."""


@dataclass(frozen=True, slots=True)
class _CountFamily:
    name: str
    help: str
    value: Callable[[ModelStatistics], int]


@dataclass(frozen=True, slots=True)
class _DurationFamily:
    name: str
    help: str
    value: Callable[[ModelStatistics], DurationCount]


_SUCCESS: Final = _CountFamily(
    "nv_inference_request_success",
    "Number of successful inference requests, all batch sizes",
    lambda counters: counters.success.count,
)
_COUNTS: Final = (
    _CountFamily(
        "nv_inference_count",
        "Number of inferences performed (does not include cached requests)",
        lambda counters: counters.inference_count,
    ),
    _CountFamily(
        "nv_inference_exec_count",
        "Number of model executions performed (does not include cached requests)",
        lambda counters: counters.execution_count,
    ),
)
_DURATIONS: Final = (
    _DurationFamily(
        "nv_inference_request_duration_us",
        "Cumulative inference request duration in microseconds (includes cached requests)",
        lambda counters: counters.success,
    ),
    _DurationFamily(
        "nv_inference_queue_duration_us",
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        lambda counters: counters.queue,
    ),
    _DurationFamily(
        "nv_inference_compute_input_duration_us",
        "Cumulative compute input duration in microseconds (does not include cached requests)",
        lambda counters: counters.compute_input,
    ),
    _DurationFamily(
        "nv_inference_compute_infer_duration_us",
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
        lambda counters: counters.compute_infer,
    ),
    _DurationFamily(
        "nv_inference_compute_output_duration_us",
        "Cumulative inference compute output duration in microseconds (does not include cached "
        "requests)",
        lambda counters: counters.compute_output,
    ),
)


# Of models that use the response cache.
_CACHE_COUNTS: Final = (
    _CountFamily(
        "nv_cache_num_hits_per_model",
        "Number of cache hits per model",
        lambda counters: counters.cache_hit.count,
    ),
    _CountFamily(
        "nv_cache_num_misses_per_model",
        "Number of cache misses per model",
        lambda counters: counters.cache_miss.count,
    ),
)
_CACHE_DURATIONS: Final = (
    _DurationFamily(
        "nv_cache_hit_duration_per_model",
        "Total cache hit duration per model, in microseconds",
        lambda counters: counters.cache_hit,
    ),
    _DurationFamily(
        "nv_cache_miss_duration_per_model",
        "Total cache miss (insert+lookup) duration per model, in microseconds",
        lambda counters: counters.cache_miss,
    ),
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One model version at the moment of the scrape."""

    labels: Labels
    counters: ModelStatistics
    load_duration_s: float
    caches: bool


class ModelMetrics:
    """Thread-safe: reads, and keeps nothing."""

    def __init__(
        self, repository: ServedModels, core: ModelCounters, *, counter_latencies: bool
    ) -> None:
        """Without `counter_latencies` there are no durations, and, as in Triton, no counting."""
        self._repository = repository
        self._core = core
        self._counter_latencies = counter_latencies

    def families(self) -> Iterator[Family]:
        """Yield every family of models, as things are now."""
        rows = list(self._rows())
        yield self._counts(rows, _SUCCESS)
        yield self._failures(rows)
        for counts in _COUNTS:
            yield self._counts(rows, counts)
        if self._counter_latencies:
            for durations in _DURATIONS:
                yield _durations(rows, durations)
        yield Family(
            "nv_inference_pending_request_count",
            "Instantaneous number of pending requests awaiting execution per-model.",
            "gauge",
            [Sample(row.labels, row.counters.pending) for row in rows],
        )
        yield Family(
            "nv_model_load_duration_secs",
            "Model load time in seconds",
            "gauge",
            [Sample(row.labels, row.load_duration_s) for row in rows],
        )
        yield _first_responses(rows)
        cache = self._core.cache_counters()
        if cache is not None:
            if self._counter_latencies:
                yield from self._cache_use([row for row in rows if row.caches])
            yield from cache_families(cache)

    def _cache_use(self, rows: Sequence[_Row]) -> Iterator[Family]:
        for counts in _CACHE_COUNTS:
            yield self._counts(rows, counts)
        for durations in _CACHE_DURATIONS:
            yield _durations(rows, durations)

    def _rows(self) -> Iterator[_Row]:
        for model in self._repository.all_served():
            try:
                counters = self._core.statistics(model.identifier, model.version)
            except TritonError:  # unloaded meanwhile
                continue
            yield _Row(
                _labels(model),
                counters,
                model.load_duration_ns / _NS_PER_S,
                model.config.response_cache.enable,
            )

    def _counts(self, rows: Sequence[_Row], family: _CountFamily) -> Family:
        return Family(
            family.name,
            family.help,
            "counter",
            [
                Sample(row.labels, family.value(row.counters) if self._counter_latencies else 0)
                for row in rows
            ],
        )

    def _failures(self, rows: Sequence[_Row]) -> Family:
        return Family(
            "nv_inference_request_failure",
            "Number of failed inference requests, all batch sizes",
            "counter",
            [
                Sample(
                    _sorted(*row.labels, ("reason", reason)),
                    count if self._counter_latencies else 0,
                )
                for row in rows
                for reason, count in row.counters.failures_by_reason.items()
            ],
        )


def _durations(rows: Sequence[_Row], family: _DurationFamily) -> Family:
    samples = [Sample(row.labels, family.value(row.counters).ns // _NS_PER_US) for row in rows]
    return Family(family.name, family.help, "counter", samples)


def _first_responses(rows: Sequence[_Row]) -> Family:
    """Return the histogram of the models that have one; the core keeps none unless asked."""
    samples: list[Sample] = []
    for row in rows:
        first = row.counters.first_responses
        if first.bounds_ms:
            samples += histogram(row.labels, first.bounds_ms, first.counts, first.ns / _NS_PER_MS)
    text = "Duration from request to first response in milliseconds"
    return Family(FIRST_RESPONSE, text, "histogram", samples)


def _labels(model: ServedVersion) -> Labels:
    """Return model, version, and each metric tag of the config under its name with a `_` before.

    Where repositories may share names, also which repository it is.
    """
    tags = model.config.metric_tags.items()
    namespace = (("namespace", model.namespace),) if model.namespace else ()
    return _sorted(
        ("model", model.name),
        ("version", str(model.version)),
        *namespace,
        *((f"_{re.sub('[^a-zA-Z0-9_]', '_', key)}", value) for key, value in tags),
    )


def _sorted(*labels: tuple[str, str]) -> Labels:
    return tuple(sorted(labels))
