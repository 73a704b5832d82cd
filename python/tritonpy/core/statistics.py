"""What the core counted, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FAILURE_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")


@dataclass(frozen=True, slots=True)
class DurationCount:
    """How often something happened and how many nanoseconds it took in all."""

    count: int = 0
    ns: int = 0


@dataclass(frozen=True, slots=True)
class BatchSizeStatistics:
    """Executions whose batches had `batch_size` rows."""

    batch_size: int
    compute_input: DurationCount
    compute_infer: DurationCount
    compute_output: DurationCount


@dataclass(frozen=True, slots=True)
class FirstResponses:
    """How long requests waited for their first response. Without bounds nothing was counted."""

    bounds_ms: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()  # one for each bound, and one for what is above the last
    ns: int = 0  # all together


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """Counters of one model version; meanings as in Triton's statistics extension."""

    last_inference_ms: int
    inference_count: int
    execution_count: int
    success: DurationCount
    fail: DurationCount
    queue: DurationCount
    compute_input: DurationCount
    compute_infer: DurationCount
    compute_output: DurationCount
    cache_hit: DurationCount
    cache_miss: DurationCount
    failures_by_reason: Mapping[str, int]
    batch_stats: tuple[BatchSizeStatistics, ...]
    pending: int
    first_responses: FirstResponses = FirstResponses()


@dataclass(frozen=True, slots=True)
class CacheCounters:
    """What the response cache holds now, and what it did since the server began."""

    entries: int
    byte_size: int
    capacity: int  # bytes; 0: what is in it is not known here, for others use it too
    lookups: int
    hits: int
    evictions: int
    lookup_ns: int
    insertion_ns: int


@dataclass(frozen=True, slots=True)
class InFlight:
    """Requests that one model version still has to answer."""

    model_name: str
    model_version: int
    count: int


def statistics_of(raw: Mapping[str, Any]) -> ModelStatistics:
    """Return the typed form of what `_core.Server.statistics` gives."""
    return ModelStatistics(
        last_inference_ms=raw["last_inference_ms"],
        inference_count=raw["inference_count"],
        execution_count=raw["execution_count"],
        success=DurationCount(*raw["success"]),
        fail=DurationCount(*raw["fail"]),
        queue=DurationCount(*raw["queue"]),
        compute_input=DurationCount(*raw["compute_input"]),
        compute_infer=DurationCount(*raw["compute_infer"]),
        compute_output=DurationCount(*raw["compute_output"]),
        cache_hit=DurationCount(*raw["cache_hit"]),
        cache_miss=DurationCount(*raw["cache_miss"]),
        failures_by_reason=dict(zip(_FAILURE_REASONS, raw["failures_by_reason"], strict=True)),
        batch_stats=tuple(
            BatchSizeStatistics(size, *(DurationCount(*duration) for duration in durations))
            for size, *durations in raw["batch_stats"]
        ),
        pending=raw["pending"],
        first_responses=_first_responses(*raw["first_responses"]),
    )


def _first_responses(bounds_ms: list[float], counts: list[int], ns: int) -> FirstResponses:
    return FirstResponses(tuple(bounds_ms), tuple(counts), ns)
