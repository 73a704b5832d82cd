"""The metrics of the response cache as a whole, with the names of Triton's local cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tritonpy.core import CacheCounters
from tritonpy.metrics.exposition import Family, Sample

_NS_PER_US: Final = 1000


def cache_families(counters: CacheCounters) -> Iterator[Family]:
    """Yield every family of the cache; of one that others use too, what this server did alone."""
    for name, text, value in (*_contents(counters), *_use(counters)):
        yield Family(f"nv_cache_{name}", text, "gauge", [Sample((), value)])


def _contents(counters: CacheCounters) -> Iterator[tuple[str, str, float]]:
    if counters.capacity == 0:  # it is not known here
        return
    yield "util", "Cache utilization [0.0 - 1.0]", counters.byte_size / counters.capacity
    yield "num_entries", "Number of responses stored in response cache", counters.entries
    yield "num_evictions", "Number of cache evictions in response cache", counters.evictions


def _use(counters: CacheCounters) -> tuple[tuple[str, str, float], ...]:
    return (
        ("num_lookups", "Number of cache lookups in response cache", counters.lookups),
        ("num_hits", "Number of cache hits in response cache", counters.hits),
        (
            "num_misses",
            "Number of cache misses in response cache",
            counters.lookups - counters.hits,
        ),
        (
            "lookup_duration",
            "Total cache lookup duration (hit and miss), in microseconds",
            counters.lookup_ns // _NS_PER_US,
        ),
        (
            "insertion_duration",
            "Total cache insertion duration, in microseconds",
            counters.insertion_ns // _NS_PER_US,
        ),
    )
