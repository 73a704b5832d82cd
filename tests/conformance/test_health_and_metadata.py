"""Goal: clients see what the server is and what it serves.

Method: ask a running server with Triton's own clients, and compare with what the models were made
of.
"""

from __future__ import annotations

from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client, GrpcClient, HttpClient
from tests.conformance.running_server import RunningServer


def test_server_is_live_and_ready(client: Client) -> None:
    assert client.raw.is_server_live()
    assert client.raw.is_server_ready()


def test_model_is_ready_by_name_and_by_version(client: Client) -> None:
    assert client.raw.is_model_ready("versions")
    assert client.raw.is_model_ready("versions", "1")
    assert not client.raw.is_model_ready("versions", "2")
    assert not client.raw.is_model_ready("unknown")


def test_server_metadata_names_server_and_extensions(server: RunningServer) -> None:
    with HttpClient(server.http_address) as http, GrpcClient(server.grpc_address) as grpc:
        over_http = http.raw.get_server_metadata()
        over_grpc = grpc.raw.get_server_metadata()
    assert over_http["name"] == over_grpc.name == "triton"
    assert over_http["version"] == over_grpc.version != ""
    assert over_http["extensions"] == list(over_grpc.extensions)
    assert {"classification", "binary_tensor_data", "statistics"} <= set(over_http["extensions"])


def _metadata(client: Client, model: str, version: str = "") -> dict[str, Any]:
    if client.protocol == "http":
        answer: dict[str, Any] = client.raw.get_model_metadata(model, version)
        return answer
    message = client.raw.get_model_metadata(model, version)
    return {
        "name": message.name,
        "versions": list(message.versions),
        "platform": message.platform,
        "inputs": [_tensor(tensor) for tensor in message.inputs],
        "outputs": [_tensor(tensor) for tensor in message.outputs],
    }


def _tensor(message: Any) -> dict[str, Any]:
    return {
        "name": message.name,
        "datatype": message.datatype,
        "shape": list(message.shape),
    }


def test_metadata_of_model_without_config_comes_from_its_file(client: Client) -> None:
    tensors = [{"datatype": "FP32", "shape": [-1, 16]}] * 2
    assert _metadata(client, "add_sub") == {
        "name": "add_sub",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": f"INPUT{i}", **tensor} for i, tensor in enumerate(tensors)],
        "outputs": [{"name": f"OUTPUT{i}", **tensor} for i, tensor in enumerate(tensors)],
    }


def test_metadata_has_batch_dimension_only_where_the_model_batches(client: Client) -> None:
    assert _metadata(client, "fixed")["inputs"][0]["shape"] == [-1, 4]
    assert _metadata(client, "unbatched")["inputs"][0]["shape"] == [2, 3]


def test_metadata_lists_ready_versions_or_the_one_asked_for(client: Client) -> None:
    assert _metadata(client, "versions")["versions"] == ["1", "3"]
    assert _metadata(client, "versions", "1")["versions"] == ["1"]


def test_config_is_complete_over_both_protocols(server: RunningServer) -> None:
    with HttpClient(server.http_address) as http, GrpcClient(server.grpc_address) as grpc:
        over_http = http.raw.get_model_config("add_sub")
        over_grpc = grpc.raw.get_model_config("add_sub").config
    assert over_http["name"] == over_grpc.name == "add_sub"
    assert over_http["backend"] == over_grpc.backend == "onnxruntime"
    assert over_http["max_batch_size"] == over_grpc.max_batch_size > 0
    assert over_http["input"][0]["dims"] == list(over_grpc.input[0].dims) == [16]
    assert over_http["instance_group"][0]["kind"] == "KIND_CPU"


@pytest.mark.parametrize(
    ("call", "arguments", "text"),
    [
        ("get_model_metadata", ("unknown",), "Request for unknown model: 'unknown' is not found"),
        ("get_model_config", ("unknown",), "Request for unknown model: 'unknown' is not found"),
        (
            "get_model_metadata",
            ("versions", "2"),
            "Request for unknown model: 'versions' version 2 is not found",
        ),
        ("get_inference_statistics", ("unknown",), "requested model 'unknown' is not available"),
        (
            "get_inference_statistics",
            ("versions", "2"),
            "requested model version is not available for model 'versions'",
        ),
        ("get_trace_settings", ("unknown",), "Request for unknown model : unknown"),
    ],
)
def test_unknown_models_are_named(
    client: Client, call: str, arguments: tuple[str, ...], text: str
) -> None:
    with pytest.raises(InferenceServerException) as error:
        getattr(client.raw, call)(*arguments)
    assert error.value.message() == text


def test_trace_and_log_settings_are_readable(server: RunningServer) -> None:
    with HttpClient(server.http_address) as http, GrpcClient(server.grpc_address) as grpc:
        trace = http.raw.get_trace_settings()
        log = http.raw.get_log_settings()
        assert set(grpc.raw.get_trace_settings("add_sub").settings) == set(trace)
        assert set(grpc.raw.get_log_settings().settings) == set(log)
    assert trace["trace_level"] == ["OFF"]
    assert len(trace) == 6
    assert log["log_info"] is True
    assert log["log_format"] == "default"


def test_trace_and_log_settings_are_read_only(client: Client) -> None:
    for update, settings in (
        (client.raw.update_trace_settings, {"trace_rate": "5"}),
        (client.raw.update_log_settings, {"log_verbose_level": 1}),
    ):
        with pytest.raises(InferenceServerException) as error:
            update(settings=settings)
        assert "settings can not be updated" in error.value.message()
        assert error.value.status() in ("501", "StatusCode.UNIMPLEMENTED")


def test_shared_memory_is_empty_and_disabled(client: Client) -> None:
    status = client.raw.get_system_shared_memory_status()
    assert not (status if client.protocol == "http" else status.regions)
    for call in (
        lambda: client.raw.register_system_shared_memory("region", "/key", 64),
        client.raw.unregister_system_shared_memory,
        client.raw.unregister_cuda_shared_memory,
    ):
        with pytest.raises(InferenceServerException) as error:
            call()
        assert error.value.message() == (
            "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to "
            "enable."
        )
