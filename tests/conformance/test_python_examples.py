"""Goal: models written for Triton's Python backend answer right, as they are.

Method: the example models on one server, asked with Triton's clients over HTTP and gRPC.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.metrics_page import metrics_page, wait_until_metrics_say
from tests.conformance.python_models import EXAMPLES, write_examples
from tests.conformance.running_server import RunningServer, ServerOptions

_FIRST: Array = np.array([[1.0, 2.0, 3.0, 4.0]], np.float32)
_SECOND: Array = np.array([[0.5, -2.0, 8.0, 4.0]], np.float32)


@pytest.fixture(scope="module")
def examples(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the example models."""
    repository = tmp_path_factory.mktemp("examples")
    write_examples(repository)
    with RunningServer(repository, ServerOptions(frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, examples: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other."""
    with connect(request.param, examples) as connected:
        yield connected


@pytest.mark.parametrize("model", ["add_sub", "auto_complete"])
def test_two_inputs_are_added_and_subtracted(client: Client, model: str) -> None:
    result = client.infer(model, {"INPUT0": _FIRST, "INPUT1": _SECOND})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _FIRST + _SECOND)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), _FIRST - _SECOND)


def test_only_the_outputs_asked_for_are_sent(client: Client) -> None:
    inputs = {"INPUT0": _FIRST, "INPUT1": _SECOND}
    result = client.infer("add_sub", inputs, [client.output("OUTPUT1")])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), _FIRST - _SECOND)
    assert result.as_numpy("OUTPUT0") is None


def test_a_model_completes_its_own_config(client: Client) -> None:
    config: Any = client.raw.get_model_config("auto_complete")
    if client.protocol == "grpc":
        assert [tensor.name for tensor in config.config.output] == ["OUTPUT0", "OUTPUT1"]
        assert config.config.max_batch_size == 8
        assert config.config.backend == "python"
    else:
        assert [tensor["name"] for tensor in config["output"]] == ["OUTPUT0", "OUTPUT1"]
        assert config["max_batch_size"] == 8
        assert config["dynamic_batching"]["preferred_batch_size"] == [8]


def test_a_model_asks_another_one(client: Client) -> None:
    name = np.array([b"add_sub"], np.object_)
    inputs = {"MODEL_NAME": name, "INPUT0": _FIRST, "INPUT1": _SECOND}
    result = client.infer("bls_sync", inputs)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _FIRST + _SECOND)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), _FIRST - _SECOND)


def test_a_model_passes_on_what_another_one_refuses(client: Client) -> None:
    name = np.array([b"nobody"], np.object_)
    with pytest.raises(InferenceServerException, match="Model 'nobody' is not ready"):
        client.infer("bls_sync", {"MODEL_NAME": name, "INPUT0": _FIRST, "INPUT1": _SECOND})


def test_a_model_asks_twice_at_once(client: Client) -> None:
    result = client.infer("bls_async", {"INPUT0": _FIRST, "INPUT1": _SECOND})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _FIRST + _SECOND)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), _SECOND - _FIRST)


def test_a_model_counts_on_the_metrics_page(client: Client, examples: RunningServer) -> None:
    def value(line: str) -> float:
        found = [each for each in metrics_page(examples).splitlines() if each.startswith(line)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    labels = '{model="custom_metrics",version="1"}'
    before = value(f"requests_seen{labels}")
    result = client.infer("custom_metrics", {"INPUT0": np.array([0.5, 1, 2, 3], np.float32)})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), np.array([0.5, 1, 2, 3], np.float32))
    # The model says these in this order, and nobody waits for them.
    wait_until_metrics_say(examples, f"values_seen_count{labels} {before + 1:g}")
    assert value(f"requests_seen{labels}") == before + 1
    assert value(f"last_batch_size{labels}") == 1
    bucket = 'values_seen_bucket{model="custom_metrics",version="1",le='
    assert value(f'{bucket}"10"') == value(f'{bucket}"1"') + before + 1
    assert value(f"values_seen_sum{labels}") == 3 * (before + 1)


def test_pictures_are_preprocessed(client: Client) -> None:
    picture = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(64, 48, 3)
    pixels = client.infer("preprocessing", {"PICTURE": picture}).as_numpy("PIXELS")
    assert pixels.shape == (3, 32, 32)
    wanted = (picture[20, 33, 1] / 255 - 0.456) / 0.224
    np.testing.assert_allclose(pixels[1, 10, 22], wanted, rtol=1e-5)


def test_an_error_has_the_code_that_the_model_gives_it(client: Client) -> None:
    picture = np.zeros((8, 8, 4), np.uint8)
    with pytest.raises(InferenceServerException, match="a picture has 3 channels, not 4") as raised:
        client.infer("preprocessing", {"PICTURE": picture})
    wanted = "StatusCode.INVALID_ARGUMENT" if client.protocol == "grpc" else "400"
    assert raised.value.status() == wanted


def _streamed(server: RunningServer, model: str, inputs: dict[str, Array]) -> list[Any]:
    """Return the results, or errors, of one request to a decoupled model."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    found = []
    with grpcclient.InferenceServerClient(server.grpc_address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        tensors = []
        for name, array in inputs.items():
            kind = {"int32": "INT32", "uint32": "UINT32"}[str(array.dtype)]
            tensors.append(grpcclient.InferInput(name, list(array.shape), kind))
            tensors[-1].set_data_from_numpy(array)
        client.async_stream_infer(model, tensors, enable_empty_final_response=True)
        while True:
            result, error = answers.get(timeout=60)
            found.append(result if error is None else error)
            if error is not None:
                break
            if result.get_response().parameters["triton_final_response"].bool_param:
                break
        client.stop_stream()
    return found


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_request_gets_as_many_responses_as_the_model_sends(
    examples: RunningServer, count: int
) -> None:
    *results, last = _streamed(examples, "decoupled_square", {"IN": np.array([count], np.int32)})
    assert [result.as_numpy("OUT").tolist() for result in results] == [[count]] * count
    assert last.as_numpy("OUT") is None


def test_responses_come_after_execute_has_returned(examples: RunningServer) -> None:
    values = np.array([7, 5, 3], np.int32)
    inputs: dict[str, Array] = {
        "IN": values,
        "DELAY": np.array([5, 1, 0], np.uint32),
        "WAIT": np.array([0], np.uint32),
    }
    *results, _ = _streamed(examples, "decoupled_repeat", inputs)
    assert [int(result.as_numpy("OUT")[0]) for result in results] == [7, 5, 3]
    assert [int(result.as_numpy("IDX")[0]) for result in results] == [0, 1, 2]


def test_a_decoupled_model_answers_with_an_error(examples: RunningServer) -> None:
    inputs: dict[str, Array] = {
        "IN": np.array([7], np.int32),
        "DELAY": np.array([5, 1], np.uint32),
        "WAIT": np.array([0], np.uint32),
    }
    (error,) = _streamed(examples, "decoupled_repeat", inputs)
    assert "expected IN and DELAY shape to match, got [1] and [2]" in str(error)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_typed_function_is_served_by_itself(frontend: str, protocol: str) -> None:
    options = ServerOptions(frontend=frontend)
    file = EXAMPLES.parent / "simple_model.py"
    with RunningServer(file, options) as server, connect(protocol, server) as client:
        inputs = {"text": np.array([b"hey"], np.object_), "times": np.array([2], np.int64)}
        result = client.infer("simple_model", inputs)
        assert result.as_numpy("output").tolist() == [b"HEYHEY"]
        with pytest.raises(InferenceServerException, match="unexpected shape for input 'times'"):
            client.infer("simple_model", {**inputs, "times": np.array([1, 2], np.int64)})
