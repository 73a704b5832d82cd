"""Goal: a dashboard made for Triton finds its metrics, with the right numbers.

Method: read both pages of a server of known traffic and compare families and values.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conformance.clients import HttpClient
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.raw_http import request
from tests.conformance.running_server import RunningServer, ServerOptions

_COUNTERS = (
    "nv_inference_request_success",
    "nv_inference_request_failure",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_input_duration_us",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_compute_output_duration_us",
)
_GAUGES = (
    "nv_inference_pending_request_count",
    "nv_model_load_duration_secs",
    "nv_cpu_utilization",
    "nv_cpu_memory_total_bytes",
    "nv_cpu_memory_used_bytes",
)
_TAGS = 'metric_tags { key: "team" value: "speech" }'


@pytest.fixture(scope="module")
def measured(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that has answered 3 requests of 2 rows each and refused none."""
    repository: Path = tmp_path_factory.mktemp("measured")
    write_config(repository, "busy", identity_config("FP32"))
    write_config(repository, "idle", identity_config("FP32", extra=_TAGS))
    with RunningServer(repository, ServerOptions(frontend=frontend)) as server:
        with HttpClient(server.http_address) as client:
            for _ in range(3):
                client.infer("busy", {"INPUT0": np.ones((2, 4), np.float32)})
        yield server


def _page(port: int) -> str:
    answer = request(port, "GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return answer.body.decode()


def _samples(page: str) -> dict[str, float]:
    lines = (line for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_families_are_those_of_triton(measured: RunningServer) -> None:
    page = _page(measured.metrics_port)
    types = dict(
        line.removeprefix("# TYPE ").split(" ")
        for line in page.splitlines()
        if line.startswith("# TYPE ")
    )
    assert types == dict.fromkeys(_COUNTERS, "counter") | dict.fromkeys(_GAUGES, "gauge")
    helped = [line.split(" ")[2] for line in page.splitlines() if line.startswith("# HELP ")]
    assert helped == list(types)


def test_counters_count_what_was_sent(measured: RunningServer) -> None:
    samples = _samples(_page(measured.metrics_port))
    labels = '{model="busy",version="1"}'
    assert samples[f"nv_inference_request_success{labels}"] == 3
    assert samples[f"nv_inference_count{labels}"] == 6
    assert samples[f"nv_inference_exec_count{labels}"] == 3
    assert samples[f"nv_inference_request_duration_us{labels}"] > 0
    assert samples[f"nv_inference_pending_request_count{labels}"] == 0
    assert samples[f"nv_model_load_duration_secs{labels}"] > 0
    for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER"):
        failure = f'nv_inference_request_failure{{model="busy",reason="{reason}",version="1"}}'
        assert samples[failure] == 0


def test_loaded_model_is_there_from_the_start_with_its_tags(measured: RunningServer) -> None:
    samples = _samples(_page(measured.metrics_port))
    assert samples['nv_inference_count{_team="speech",model="idle",version="1"}'] == 0


def test_machine_is_measured(measured: RunningServer) -> None:
    samples = _samples(_page(measured.metrics_port))
    assert 0 <= samples["nv_cpu_utilization"] <= 1
    assert 0 < samples["nv_cpu_memory_used_bytes"] < samples["nv_cpu_memory_total_bytes"]


def test_http_port_has_the_same_page(measured: RunningServer) -> None:
    there, here = _page(measured.metrics_port), _page(measured.http_port)
    assert _samples(there).keys() == _samples(here).keys()


def test_metrics_port_has_nothing_else(measured: RunningServer) -> None:
    port = measured.metrics_port
    other = request(port, "GET", "/v2")
    assert (other.status, other.body) == (200, b"")
    assert request(port, "POST", "/metrics").status == 405


def test_without_latencies_durations_are_absent_and_counters_stand_still(
    frontend: str, tmp_path: Path
) -> None:
    write_config(tmp_path, "busy", identity_config("FP32"))
    options = ServerOptions(["--metrics-config", "counter_latencies=false"], frontend=frontend)
    with RunningServer(tmp_path, options) as server:
        with HttpClient(server.http_address) as client:
            client.infer("busy", {"INPUT0": np.ones((2, 4), np.float32)})
        page = _page(server.metrics_port)
    assert "duration_us" not in page
    assert _samples(page)['nv_inference_count{model="busy",version="1"}'] == 0
    assert "first_response" not in page


def test_first_responses_fall_into_the_buckets_of_the_config(frontend: str, tmp_path: Path) -> None:
    buckets = (
        "model_metrics { metric_control { "
        'metric_identifier { family: "nv_inference_first_response_histogram_ms" } '
        "histogram_options { buckets: [ 1e-6, 1e9 ] } } }"
    )
    write_config(tmp_path, "own", identity_config("FP32", extra=buckets))
    write_config(tmp_path, "plain", identity_config("FP32"))
    options = ServerOptions(["--metrics-config", "histogram_latencies=true"], frontend=frontend)
    with RunningServer(tmp_path, options) as server:
        with HttpClient(server.http_address) as client:
            for _ in range(3):
                client.infer("own", {"INPUT0": np.ones((2, 4), np.float32)})
        samples = _samples(_page(server.metrics_port))
    family = "nv_inference_first_response_histogram_ms"
    assert {
        name.removeprefix(family): value
        for name, value in samples.items()
        if name.startswith((f"{family}_bucket", f"{family}_count"))
    } == {
        '_bucket{model="own",version="1",le="1e-06"}': 0,
        '_bucket{model="own",version="1",le="1000000000"}': 3,
        '_bucket{model="own",version="1",le="+Inf"}': 3,
        '_count{model="own",version="1"}': 3,
        **{
            f'_bucket{{model="plain",version="1",le="{bound}"}}': 0
            for bound in ("100", "500", "2000", "5000", "+Inf")
        },
        '_count{model="plain",version="1"}': 0,
    }
    assert samples[f'{family}_sum{{model="own",version="1"}}'] > 0
