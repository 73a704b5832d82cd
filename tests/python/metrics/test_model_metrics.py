"""Goal: counters of the core become Triton's metrics.

Method: a repository and a core that are scripted, and the page compared line by line.
"""

from __future__ import annotations

from tests.python.api.fakes import FakeCore, FakeRepository, served
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


def test_page_without_models_is_empty() -> None:
    metrics = ModelMetrics(FakeRepository(), FakeCore(), counter_latencies=True)
    assert render(metrics.families()) == b""
