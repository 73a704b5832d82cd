"""Goal: with a response cache, equal requests are answered alike, run once, and counted exactly.

Method: both clients on servers whose models say how often they ran; statistics and metrics number
for number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from tests.conformance.clients import Client, HttpClient
from tests.conformance.conftest import connect
from tests.conformance.metrics_page import metrics_page
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_CACHED = "response_cache { enable: true }"
_COUNTING_CONFIG = """
    backend: "python"
    max_batch_size: 8
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
    output [
        { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] },
        { name: "CALLS" data_type: TYPE_INT32 dims: [ 1 ] }
    ]
    response_cache { enable: true }
"""
# Answers what it got, and how many requests it has had, this one among them.
_COUNTING = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.calls = 0

        def execute(self, requests):
            return [self.answer(request) for request in requests]

        def answer(self, request):
            self.calls += 1
            data = request.inputs()[0].as_numpy()
            if np.isnan(data).any():
                return pb_utils.InferenceResponse(error=pb_utils.TritonError("not a number"))
            calls = np.full((len(data), 1), self.calls, np.int32)
            return pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUTPUT0", data), pb_utils.Tensor("CALLS", calls)]
            )
"""


# Of a counting model that keeps no answers itself.
_OUTER = """
    platform: "ensemble"
    max_batch_size: 8
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
    output [ { name: "CALLS" data_type: TYPE_INT32 dims: [ 1 ] } ]
    ensemble_scheduling {
        step [ {
            model_name: "inner"
            model_version: -1
            input_map { key: "INPUT0" value: "INPUT0" }
            output_map { key: "CALLS" value: "CALLS" }
        } ]
    }
    response_cache { enable: true }
"""


def _write_models(repository: Path) -> None:
    for protocol in ("http", "grpc"):
        write_python_model(repository, f"counting_{protocol}", _COUNTING, _COUNTING_CONFIG)
        write_config(repository, f"echo_{protocol}", identity_config("FP32", extra=_CACHED))
        write_config(repository, f"small_{protocol}", identity_config("FP32", extra=_CACHED))
    write_config(repository, "plain", identity_config("FP32"))


@pytest.fixture(scope="module")
def repository(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of one front end's server."""
    path = tmp_path_factory.mktemp(f"cached_{frontend}")
    _write_models(path)
    return path


@pytest.fixture(scope="module")
def caching(frontend: str, repository: Path) -> Iterator[RunningServer]:
    """A server with a cache of 1 MiB."""
    arguments = ["--cache-config", "local,size=1048576", "--model-control-mode=explicit"]
    arguments.append("--load-model=*")
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=("http", "grpc"))
def cached(request: pytest.FixtureRequest, caching: RunningServer) -> Iterator[Client]:
    """Both clients of the caching server; each has models of its own."""
    with connect(request.param, caching) as client:
        yield client


def _counts(stats: dict[str, Any]) -> dict[str, int]:
    return {name: duration["count"] for name, duration in stats["inference_stats"].items()}


def _samples(server: RunningServer) -> dict[str, float]:
    lines = (line for line in metrics_page(server).splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def _calls(client: Client, model: str) -> int:
    result = client.infer(model, {"INPUT0": np.ones((1, 1), np.float32)})
    return int(result.as_numpy("CALLS")[0, 0])


def test_an_equal_request_gets_the_answer_of_the_first(cached: Client) -> None:
    model = f"counting_{cached.protocol}"
    data = np.ones((2, 3), np.float32)
    for request_id in ("first", "second", "third"):
        result = cached.infer(model, {"INPUT0": data}, request_id=request_id)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)
        assert result.as_numpy("CALLS").tolist() == [[1], [1]]
        assert cached.response(result)["id"] == request_id


def test_requests_that_differ_are_told_apart(cached: Client) -> None:
    model = f"counting_{cached.protocol}"
    data = np.full((2, 6), 7, np.float32)
    (before,) = cached.statistics(model)
    only = [cached.output("OUTPUT0")]
    for _ in range(2):
        whole = cached.infer(model, {"INPUT0": data})
        np.testing.assert_array_equal(whole.as_numpy("OUTPUT0"), data)
        # The same bytes in another shape.
        tall = cached.infer(model, {"INPUT0": data.reshape(4, 3)})
        assert tall.as_numpy("OUTPUT0").shape == (4, 3)
        part = cached.infer(model, {"INPUT0": data}, only)
        assert part.as_numpy("CALLS") is None
        with_parameter = cached.infer(model, {"INPUT0": data}, parameters={"seed": 1})
        np.testing.assert_array_equal(with_parameter.as_numpy("OUTPUT0"), data)
    (after,) = cached.statistics(model)
    assert after["execution_count"] - before["execution_count"] == 4
    assert _counts(after)["cache_hit"] - _counts(before)["cache_hit"] == 4


def test_an_error_is_not_an_answer_to_keep(cached: Client) -> None:
    model = f"counting_{cached.protocol}"
    data = np.full((1, 1), np.nan, np.float32)
    (before,) = cached.statistics(model)
    for _ in range(2):
        with pytest.raises(cached.module.InferenceServerException, match="not a number"):
            cached.infer(model, {"INPUT0": data})
    (after,) = cached.statistics(model)
    assert _counts(after)["fail"] - _counts(before)["fail"] == 2
    assert _counts(after)["cache_miss"] == _counts(before)["cache_miss"]


def test_statistics_and_metrics_count_hits_and_misses(
    cached: Client, caching: RunningServer
) -> None:
    model = f"echo_{cached.protocol}"
    for value in (1, 1, 2, 1):
        cached.infer(model, {"INPUT0": np.full((2, 4), value, np.float32)})
    (stats,) = cached.statistics(model)
    assert stats["inference_count"] == 4
    assert stats["execution_count"] == 2
    assert _counts(stats) == {
        "success": 4,
        "fail": 0,
        "queue": 4,
        "compute_input": 2,
        "compute_infer": 2,
        "compute_output": 2,
        "cache_hit": 2,
        "cache_miss": 2,
    }
    assert stats["inference_stats"]["cache_hit"]["ns"] > 0
    assert stats["inference_stats"]["cache_miss"]["ns"] > 0
    samples = _samples(caching)
    labels = f'{{model="{model}",version="1"}}'
    assert samples[f"nv_cache_num_hits_per_model{labels}"] == 2
    assert samples[f"nv_cache_num_misses_per_model{labels}"] == 2
    assert samples[f"nv_cache_hit_duration_per_model{labels}"] >= 0
    assert samples[f"nv_cache_miss_duration_per_model{labels}"] >= 0
    assert samples[f"nv_inference_request_success{labels}"] == 4
    assert samples[f"nv_inference_count{labels}"] == 4
    assert samples[f"nv_inference_exec_count{labels}"] == 2
    # Only models that use the cache are listed.
    assert 'nv_cache_num_hits_per_model{model="plain",version="1"}' not in samples
    assert samples["nv_cache_num_entries"] >= 2
    assert (
        samples["nv_cache_num_hits"] + samples["nv_cache_num_misses"]
        == (samples["nv_cache_num_lookups"])
    )
    assert 0 < samples["nv_cache_util"] <= 1


def test_a_stream_is_answered_from_the_cache_too(caching: RunningServer) -> None:
    data = np.full((1, 5), 3, np.float32)
    tensor = grpcclient.InferInput("INPUT0", list(data.shape), "FP32")
    tensor.set_data_from_numpy(data)
    with grpcclient.InferenceServerClient(caching.grpc_address) as client:
        answers: list[Any] = []
        client.start_stream(lambda result, error: answers.append((result, error)))
        for _ in range(3):
            client.async_stream_infer("echo_grpc", [tensor])
        client.stop_stream()
    assert [error for _, error in answers] == [None] * 3
    for result, _ in answers:
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)


def test_a_model_that_is_loaded_again_answers_anew(cached: Client) -> None:
    model = f"small_{cached.protocol}"
    data = np.ones((1, 4), np.float32)
    for _ in range(2):
        cached.infer(model, {"INPUT0": data})
    assert _counts(cached.statistics(model)[0])["cache_hit"] == 1
    cached.raw.unload_model(model)
    cached.raw.load_model(model)
    cached.infer(model, {"INPUT0": data})
    counts = _counts(cached.statistics(model)[0])
    assert (counts["cache_hit"], counts["cache_miss"]) == (0, 1)


def test_an_answer_too_large_for_the_cache_is_given_and_not_kept(
    frontend: str, tmp_path: Path
) -> None:
    write_config(tmp_path, "echo", identity_config("FP32", extra=_CACHED))
    options = ServerOptions(["--response-cache-byte-size", "4096"], frontend=frontend)
    data = np.ones((1, 2000), np.float32)
    with RunningServer(tmp_path, options) as server:
        assert "'--response-cache-byte-size' has been deprecated" in server.output
        with HttpClient(server.http_address) as client:
            for _ in range(2):
                result = client.infer("echo", {"INPUT0": data})
                np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)
            (stats,) = client.statistics("echo")
        server.wait_for("Failed to insert key [")
    assert _counts(stats)["cache_hit"] == 0
    assert _counts(stats)["cache_miss"] == 2
    assert stats["execution_count"] == 2


def test_without_a_cache_models_run_and_say_so_at_load(frontend: str, tmp_path: Path) -> None:
    write_config(tmp_path, "echo", identity_config("FP32", extra=_CACHED))
    with RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server:
        with HttpClient(server.http_address) as client:
            for _ in range(2):
                client.infer("echo", {"INPUT0": np.ones((1, 4), np.float32)})
            (stats,) = client.statistics("echo")
        assert "nv_cache" not in metrics_page(server)
        server.wait_for("the response cache of model 'echo' is enabled, but this server has none")
    assert _counts(stats)["cache_hit"] == _counts(stats)["cache_miss"] == 0
    assert stats["execution_count"] == 2


def test_ensemble_forgets_its_answers_when_a_model_of_it_has_other_files(
    caching: RunningServer, repository: Path
) -> None:
    config = _COUNTING_CONFIG.replace(_CACHED, "")
    file = write_python_model(repository, "inner", _COUNTING, config)
    write_config(repository, "outer", _OUTER)
    with connect("grpc", caching) as client:
        client.raw.load_model("outer")
        assert _calls(client, "outer") == 1
        assert _calls(client, "outer") == 1  # kept
        file.write_text(file.read_text().replace("self.calls = 0", "self.calls = 10"))
        client.raw.load_model("inner")
        assert _calls(client, "outer") == 11
