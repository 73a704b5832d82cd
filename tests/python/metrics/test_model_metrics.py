"""Goal: counters of the core become Triton's metrics.

Method: a repository and a core that are scripted, and the page compared line by line.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.python.api.fakes import FakeCore, FakeRepository, served
from tritonpy.core import CacheCounters, FirstResponses, ModelStatistics
from tritonpy.metrics import ModelMetrics
from tritonpy.metrics.exposition import render

_LABELS = r'{_team="a \"b\"",model="model",version="1"}'


def _page(*, counter_latencies: bool = True, gone: frozenset[int] = frozenset()) -> list[str]:
    repository = FakeRepository(served(), served("plain", 2, 'name: "plain"'))
    metrics = ModelMetrics(repository, FakeCore(gone), counter_latencies=counter_latencies)
    return render(metrics.families()).decode().splitlines()


def test_every_counter_has_its_value_and_its_labels_in_order() -> None:
    page = _page()
    for line in (
        f"nv_inference_request_success{_LABELS} 5",
        f"nv_inference_count{_LABELS} 1",
        f"nv_inference_exec_count{_LABELS} 3",
        f"nv_inference_request_duration_us{_LABELS} 50",
        f"nv_inference_queue_duration_us{_LABELS} 2",
        f"nv_inference_compute_input_duration_us{_LABELS} 3",
        f"nv_inference_compute_infer_duration_us{_LABELS} 4",
        f"nv_inference_compute_output_duration_us{_LABELS} 5",
        f"nv_inference_pending_request_count{_LABELS} 6",
        f"nv_model_load_duration_secs{_LABELS} 1.5",
        'nv_inference_count{model="plain",version="2"} 2',
        'nv_inference_request_failure{model="plain",reason="REJECTED",version="2"} 1',
        'nv_inference_request_failure{model="plain",reason="OTHER",version="2"} 0',
    ):
        assert line in page


def test_help_texts_are_those_of_triton() -> None:
    page = _page()
    for line in (
        "# HELP nv_inference_request_success Number of successful inference requests, all batch "
        "sizes",
        "# HELP nv_inference_request_failure Number of failed inference requests, all batch sizes",
        "# HELP nv_inference_count Number of inferences performed (does not include cached "
        "requests)",
        "# HELP nv_inference_exec_count Number of model executions performed (does not include "
        "cached requests)",
        "# HELP nv_inference_request_duration_us Cumulative inference request duration in "
        "microseconds (includes cached requests)",
        "# HELP nv_inference_queue_duration_us Cumulative inference queuing duration in "
        "microseconds (includes cached requests)",
        "# HELP nv_inference_pending_request_count Instantaneous number of pending requests "
        "awaiting execution per-model.",
        "# HELP nv_model_load_duration_secs Model load time in seconds",
    ):
        assert line in page


def test_without_latencies_durations_are_absent_and_counters_are_0() -> None:
    page = _page(counter_latencies=False)
    assert not [line for line in page if "duration_us" in line]
    assert f"nv_inference_request_success{_LABELS} 0" in page
    assert f"nv_inference_pending_request_count{_LABELS} 6" in page


def test_version_that_goes_away_meanwhile_is_left_out() -> None:
    page = _page(gone=frozenset({2}))
    assert not [line for line in page if "plain" in line]


@pytest.mark.parametrize("counter_latencies", [True, False])
def test_a_cache_is_on_the_page_with_the_models_that_use_it(counter_latencies: bool) -> None:
    cache = CacheCounters(
        entries=3,
        byte_size=250,
        capacity=1000,
        lookups=9,
        hits=4,
        evictions=1,
        lookup_ns=5_999,
        insertion_ns=8_000,
    )
    repository = FakeRepository(
        served("caching", 1, 'name: "caching" response_cache { enable: true }'),
        served("plain", 2, 'name: "plain"'),
    )
    core = FakeCore(cache=cache)
    metrics = ModelMetrics(repository, core, counter_latencies=counter_latencies)
    page = [
        line
        for line in render(metrics.families()).decode().splitlines()
        if line.startswith("nv_cache")
    ]
    labels = '{model="caching",version="1"}'
    of_models = [
        f"nv_cache_num_hits_per_model{labels} 2",
        f"nv_cache_num_misses_per_model{labels} 3",
        f"nv_cache_hit_duration_per_model{labels} 6",
        f"nv_cache_miss_duration_per_model{labels} 7",
    ]
    assert page == [
        *(of_models if counter_latencies else []),
        "nv_cache_util 0.25",
        "nv_cache_num_entries 3",
        "nv_cache_num_evictions 1",
        "nv_cache_num_lookups 9",
        "nv_cache_num_hits 4",
        "nv_cache_num_misses 5",
        "nv_cache_lookup_duration 5",
        "nv_cache_insertion_duration 8",
    ]


def test_of_a_cache_that_others_use_too_only_the_use_is_on_the_page() -> None:
    cache = CacheCounters(
        entries=0,
        byte_size=0,
        capacity=0,
        lookups=9,
        hits=4,
        evictions=0,
        lookup_ns=5_999,
        insertion_ns=8_000,
    )
    metrics = ModelMetrics(FakeRepository(), FakeCore(cache=cache), counter_latencies=True)
    page = render(metrics.families()).decode().splitlines()
    assert [line for line in page if line.startswith("nv_cache")] == [
        "nv_cache_num_lookups 9",
        "nv_cache_num_hits 4",
        "nv_cache_num_misses 5",
        "nv_cache_lookup_duration 5",
        "nv_cache_insertion_duration 8",
    ]


def test_histogram_of_first_responses_is_there_where_the_core_keeps_one() -> None:
    class MeasuringCore(FakeCore):
        def statistics(self, name: str, version: int) -> ModelStatistics:
            counters = super().statistics(name, version)
            first = FirstResponses((100.0, 2.5e3), (3, 0, 2), 9_500_000_000)
            return replace(counters, first_responses=first) if version == 1 else counters

    repository = FakeRepository(served("m", 1, 'name: "m"'), served("plain", 2, 'name: "plain"'))
    metrics = ModelMetrics(repository, MeasuringCore(), counter_latencies=False)
    page = render(metrics.families()).decode().splitlines()
    name = "nv_inference_first_response_histogram_ms"
    assert [line for line in page if name in line] == [
        f"# HELP {name} Duration from request to first response in milliseconds",
        f"# TYPE {name} histogram",
        f'{name}_bucket{{model="m",version="1",le="100"}} 3',
        f'{name}_bucket{{model="m",version="1",le="2500"}} 3',
        f'{name}_bucket{{model="m",version="1",le="+Inf"}} 5',
        f'{name}_sum{{model="m",version="1"}} 9500',
        f'{name}_count{{model="m",version="1"}} 5',
    ]


def test_page_without_models_is_empty() -> None:
    metrics = ModelMetrics(FakeRepository(), FakeCore(), counter_latencies=True)
    assert render(metrics.families()) == b""
