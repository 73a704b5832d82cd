"""Goal: an ensemble is one model to its clients. Method: Triton's clients, on both front ends."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client, GrpcClient
from tests.conformance.ensembles import write_ensembles
from tests.conformance.metrics_page import metrics_page
from tests.conformance.running_server import RunningServer, ServerOptions

_A = np.arange(32, dtype=np.float32).reshape(2, 16)
_B = np.full((2, 16), 3, np.float32)


@pytest.fixture(scope="module")
def server(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with ensembles."""
    repository: Path = tmp_path_factory.mktemp("models")
    write_ensembles(repository)
    with RunningServer(repository, ServerOptions(frontend=frontend)) as running:
        yield running


def _counts(client: Client, model: str) -> tuple[int, int, int, int]:
    stats = client.statistics(model)[0]
    inference = stats["inference_stats"]
    return (
        inference["success"]["count"],
        inference["fail"]["count"],
        stats["inference_count"],
        stats["execution_count"],
    )


def test_outputs_of_all_steps_come_together(client: Client) -> None:
    result = client.infer("sum_and_difference", {"INPUT0": _A, "INPUT1": _B}, request_id="7")
    np.testing.assert_array_equal(result.as_numpy("SUM"), _A + _B)
    np.testing.assert_array_equal(result.as_numpy("DIFFERENCE"), _A - _B)
    np.testing.assert_array_equal(result.as_numpy("ECHO"), _A)
    response = client.response(result)
    assert (response["model_name"], response["id"]) == ("sum_and_difference", "7")


def test_steps_that_no_wanted_output_needs_do_not_run(client: Client) -> None:
    before = {model: _counts(client, model) for model in ("pass", "add_sub")}
    inputs = {"INPUT0": _A, "INPUT1": _B}
    result = client.infer("sum_and_difference", inputs, [client.output("DIFFERENCE")])
    np.testing.assert_array_equal(result.as_numpy("DIFFERENCE"), _A - _B)
    assert result.as_numpy("SUM") is None
    assert _counts(client, "pass") == before["pass"]
    assert _counts(client, "add_sub")[0] == before["add_sub"][0] + 1


def test_an_ensemble_may_be_a_step(client: Client) -> None:
    result = client.infer("nested", {"INPUT0": _A, "INPUT1": _B})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), 2 * _A)


def test_a_model_may_ask_an_ensemble(client: Client) -> None:
    result = client.infer("asks", {"INPUT0": _A})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), 2 * _A)


def test_batch_dimension_of_one_comes_and_goes(client: Client) -> None:
    values = np.arange(5, dtype=np.float32)
    result = client.infer("without_batch", {"INPUT0": values})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)


@pytest.mark.parametrize("optional", [False, True])
def test_what_a_request_says_beside_its_tensors_reaches_the_steps(
    client: Client, optional: bool
) -> None:
    inputs = {"INPUT0": np.ones(1, np.float32)}
    if optional:
        inputs["OPTIONAL"] = np.ones(1, np.float32)
    result = client.infer(
        "telling",
        inputs,
        request_id="me",
        sequence_id=9,
        sequence_start=True,
        priority=2,
        timeout=123456,
        parameters={"colour": "blue"},
    )
    told = json.loads(result.as_numpy("TOLD")[0])
    assert told == {
        "id": "me",
        "correlation_id": 9,
        "flags": 1,
        "priority": 2,
        "timeout": 123456,
        "parameters": {"colour": "blue"},
        "inputs": list(inputs),
    }


def test_a_failing_step_is_the_ensembles_failure(client: Client) -> None:
    before = _counts(client, "failing"), _counts(client, "pass")
    with pytest.raises(InferenceServerException) as error:
        client.infer("failing", {"INPUT0": np.full((1, 1), -1, np.float32)})
    assert error.value.message() == "in ensemble 'failing', it is negative"
    success, fail, inferences, executions = before[0]
    assert _counts(client, "failing") == (success, fail + 1, inferences, executions)
    assert _counts(client, "pass") == before[1]


def test_an_output_that_nobody_gives_is_a_deadlock(client: Client) -> None:
    with pytest.raises(InferenceServerException) as error:
        client.infer("failing", {"INPUT0": np.zeros((1, 1), np.float32)})
    assert error.value.message() == (
        "in ensemble 'failing', unexpected deadlock, at least one output is not set while no more "
        "ensemble steps can be made"
    )


def test_statistics_are_of_the_whole_and_of_each_step(client: Client) -> None:
    models = ("sum_and_difference", "add_sub", "pass")
    before = {model: _counts(client, model) for model in models}
    durations = {model: client.statistics(model)[0]["inference_stats"] for model in models}
    client.infer("sum_and_difference", {"INPUT0": _A, "INPUT1": _B})
    for model, requests in zip(models, (1, 1, 2), strict=True):
        success, fail, inferences, executions = before[model]
        after = _counts(client, model)
        assert after[:3] == (success + requests, fail, inferences + 2 * requests)
        assert executions < after[3] <= executions + requests  # two may have shared a batch

    def compute_ns(model: str) -> int:
        now = client.statistics(model)[0]["inference_stats"]
        return sum(
            int(now[part]["ns"]) - int(durations[model][part]["ns"])
            for part in ("compute_input", "compute_infer", "compute_output")
        )

    assert compute_ns("sum_and_difference") == compute_ns("add_sub") + compute_ns("pass")


def test_metrics_count_the_ensemble_and_its_failures(server: RunningServer, client: Client) -> None:
    fail = client.statistics("failing")[0]["inference_stats"]["fail"]["count"]
    with pytest.raises(InferenceServerException):
        client.infer("failing", {"INPUT0": np.full((1, 1), -1, np.float32)})
    labels = 'model="failing",reason="OTHER",version="1"'
    page = metrics_page(server)
    assert f"nv_inference_request_failure{{{labels}}} {int(fail) + 1}\n" in page
    assert 'nv_inference_request_success{model="sum_and_difference",version="1"}' in page


def test_metadata_and_config_say_ensemble(client: Client) -> None:
    if isinstance(client, GrpcClient):
        metadata = client.raw.get_model_metadata("streaming", as_json=True)
        config = client.raw.get_model_config("streaming", as_json=True)["config"]
    else:
        metadata = client.raw.get_model_metadata("streaming")
        config = client.raw.get_model_config("streaming")
    assert metadata["platform"] == "ensemble"
    assert config["platform"] == "ensemble"
    assert config.get("instance_group", []) == []
    assert config["model_transaction_policy"]["decoupled"] is True  # derived from the steps


def _stream(server: RunningServer, words: list[str]) -> list[Any]:
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    script = np.array([word.encode() for word in words], np.object_)
    tensor = grpcclient.InferInput("SCRIPT", list(script.shape), "BYTES")
    tensor.set_data_from_numpy(script)
    said: list[Any] = []
    with grpcclient.InferenceServerClient(server.grpc_address) as client:
        client.start_stream(lambda result, error: answers.put(error or result))
        client.async_stream_infer("streaming", [tensor], enable_empty_final_response=True)
        while True:
            answer = answers.get()
            if isinstance(answer, InferenceServerException):
                said.append(answer.message())
                break
            parameters = answer.get_response().parameters
            text = answer.as_numpy("TEXT")
            if text is not None:
                said.append(text[0].decode())
            if parameters["triton_final_response"].bool_param:
                break
        client.stop_stream()
    return said


@pytest.mark.parametrize("count", [0, 1, 50])
def test_every_answer_of_a_decoupled_step_goes_through_the_steps_after_it(
    server: RunningServer, count: int
) -> None:
    words = [f"say:{number}" for number in range(count)]
    assert sorted(_stream(server, words)) == sorted(str(number) for number in range(count))


def test_a_decoupled_step_that_fails_ends_the_stream(server: RunningServer) -> None:
    assert _stream(server, ["fail:no more"])[-1] == "in ensemble 'streaming', no more"


def test_a_decoupled_ensemble_is_refused_where_one_answer_is_expected(client: Client) -> None:
    with pytest.raises(InferenceServerException, match="decoupled"):
        client.infer("streaming", {"SCRIPT": np.array([b"say:x"], np.object_)})
