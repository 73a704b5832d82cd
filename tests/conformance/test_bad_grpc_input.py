"""Goal: bad gRPC requests get the right status and a text that names what was wrong.

Method: a table of messages, sent as bytes; after each of them a valid request must succeed.
"""

from __future__ import annotations

from typing import Any

import grpc as grpclib
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from tests.conformance.clients import GrpcClient
from tests.conformance.raw_grpc import unary
from tests.conformance.running_server import RunningServer


def _message(**members: Any) -> service_pb2.ModelInferRequest:
    return service_pb2.ModelInferRequest(**{"model_name": "identity_fp32", **members})


def _tensor(**members: Any) -> service_pb2.ModelInferRequest.InferInputTensor:
    standard = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 2]}
    return service_pb2.ModelInferRequest.InferInputTensor(**{**standard, **members})


def _contents(**members: Any) -> service_pb2.InferTensorContents:
    return service_pb2.InferTensorContents(**members)


def _parameter(**members: Any) -> service_pb2.InferParameter:
    return service_pb2.InferParameter(**members)


_EIGHT = [bytes(8)]
_INVALID = grpclib.StatusCode.INVALID_ARGUMENT
_GRPC_CASES: tuple[tuple[str, Any, grpclib.StatusCode, str], ...] = (
    ("no_message", b"\xff\xff\xff", _INVALID, ""),
    ("cut_off_message", _message(inputs=[_tensor()]).SerializeToString()[:-3], _INVALID, ""),
    ("length_lies", b"\x0a\xff\xff\xff\xff\x07abc", _INVALID, ""),
    (
        "unknown_model",
        _message(model_name="nobody"),
        grpclib.StatusCode.NOT_FOUND,
        "Request for unknown model: 'nobody' is not found",
    ),
    (
        "version_no_number",
        _message(model_version="one"),
        _INVALID,
        "failed to get model version from specified version string 'one'",
    ),
    ("no_inputs", _message(), _INVALID, "expected 1 inputs but got 0 inputs"),
    (
        "no_data",
        _message(inputs=[_tensor()]),
        _INVALID,
        "unable to find data for input tensor 'INPUT0' for model 'identity_fp32' in request.",
    ),
    (
        "raw_and_typed",
        _message(
            inputs=[_tensor(contents=_contents(fp32_contents=[1, 2]))], raw_input_contents=_EIGHT
        ),
        _INVALID,
        "contents field must not be specified when using raw_input_contents for 'INPUT0' for model "
        "'identity_fp32'",
    ),
    (
        "typed_as_another_type",
        _message(inputs=[_tensor(contents=_contents(int_contents=[1, 2]))]),
        _INVALID,
        "unexpected explicit tensor data for input tensor 'INPUT0' for model 'identity_fp32'",
    ),
    (
        "raw_of_wrong_size",
        _message(inputs=[_tensor()], raw_input_contents=[bytes(12)]),
        _INVALID,
        "Expected 8, got 12",
    ),
    (
        "more_raw_than_inputs",
        _message(inputs=[_tensor()], raw_input_contents=_EIGHT * 2),
        _INVALID,
        "",
    ),
    (
        "duplicate_output",
        _message(
            inputs=[_tensor()],
            raw_input_contents=_EIGHT,
            outputs=[service_pb2.ModelInferRequest.InferRequestedOutputTensor(name="OUTPUT0")] * 2,
        ),
        _INVALID,
        "output 'OUTPUT0' already exists in request",
    ),
    (
        "wrong_type",
        _message(inputs=[_tensor(datatype="INT32")], raw_input_contents=_EIGHT),
        _INVALID,
        "data-type is 'INT32', but model 'identity_fp32' expects 'FP32'",
    ),
    (
        "too_many_elements",
        _message(inputs=[_tensor(shape=[2**62, 2**62])], raw_input_contents=_EIGHT),
        _INVALID,
        "",
    ),
    (
        "negative_dimension",
        _message(inputs=[_tensor(shape=[-1, 2])], raw_input_contents=_EIGHT),
        _INVALID,
        "contains one or more invalid dimensions",
    ),
    (
        "priority_of_wrong_kind",
        _message(
            inputs=[_tensor()],
            raw_input_contents=_EIGHT,
            parameters={"priority": _parameter(string_param="high")},
        ),
        _INVALID,
        "invalid value type for 'priority' parameter, expected int64_param or uint64_param.",
    ),
    (
        "reserved_parameter",
        _message(
            inputs=[_tensor()],
            raw_input_contents=_EIGHT,
            parameters={"triton_x": _parameter(int64_param=1)},
        ),
        _INVALID,
        "parameter keys starting with 'triton_' are reserved for Triton usage.",
    ),
)


@pytest.mark.parametrize("case", _GRPC_CASES, ids=lambda case: str(case[0]))
def test_bad_grpc_request_is_explained_and_survived(
    server: RunningServer, case: tuple[str, Any, grpclib.StatusCode, str]
) -> None:
    _, message, status, text = case
    sent = message if isinstance(message, bytes) else message.SerializeToString()
    with pytest.raises(grpclib.RpcError) as error:
        unary(server.grpc_address, "ModelInfer", sent)
    details = error.value.details() or ""
    assert (error.value.code(), details != "") == (status, True)
    assert text in details
    with GrpcClient(server.grpc_address) as client:
        valid = client.infer("identity_fp32", {"INPUT0": np.ones((1, 2), np.float32)})
        assert valid.as_numpy("OUTPUT0").tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(
    "method",
    ["ServerLive", "ModelMetadata", "RepositoryIndex", "RepositoryModelLoad", "LogSettings"],
)
def test_control_message_that_cannot_be_parsed_is_explained(
    server: RunningServer, method: str
) -> None:
    with pytest.raises(grpclib.RpcError) as error:
        unary(server.grpc_address, method, b"\xff\xff")
    assert error.value.code() == _INVALID
    assert (error.value.details() or "").startswith(f"failed to parse {method}Request: ")
    unary(server.grpc_address, "ServerLive", b"")


@pytest.mark.parametrize(
    ("name", "parameter", "text"),
    [
        (
            "config",
            service_pb2.ModelRepositoryParameter(int64_param=1),
            "invalid value type for load parameter 'config', expected string_param.",
        ),
        (
            "file:a",
            service_pb2.ModelRepositoryParameter(string_param=""),
            "invalid value type for load parameter 'file:a', expected bytes_param.",
        ),
        (
            "other",
            service_pb2.ModelRepositoryParameter(string_param=""),
            "unrecognized load parameter 'other'.",
        ),
    ],
)
def test_load_parameters_of_the_wrong_kind_are_refused(
    server: RunningServer, name: str, parameter: Any, text: str
) -> None:
    message = service_pb2.RepositoryModelLoadRequest(
        model_name="fixed", parameters={name: parameter}
    )
    with pytest.raises(grpclib.RpcError) as error:
        unary(server.grpc_address, "RepositoryModelLoad", message.SerializeToString())
    assert error.value.details() == text
