"""Goal: our messages are the ones that public clients speak, and live beside theirs.

Method: every message, field, enum and call that the installed client knows is looked up in our
descriptors and compared; ours may have more. Both are used in one process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2 as client_config
from tritonclient.grpc import service_pb2 as client_service

import tritonpy.protos
from tritonpy.protos import POOL, grpc_service_pb2, model_config_pb2, new_pool
from tritonpy.protos.grpc_service_pb2 import ModelInferRequest

PROTOS_DIR = Path(__file__).parents[3] / "protos"
CLIENT_FILES = (client_config.DESCRIPTOR, client_service.DESCRIPTOR)


def all_messages(messages: list[Any]) -> list[Any]:
    """Return message descriptors with those nested in them."""
    return [
        nested
        for message in messages
        for nested in (message, *all_messages(list(message.nested_types)))
    ]


CLIENT_MESSAGES = all_messages(
    [message for file in CLIENT_FILES for message in file.message_types_by_name.values()]
)


def wire_facts(field: Any) -> tuple[object, ...]:
    """Return what two sides must agree on to exchange a field."""
    type_name = field.message_type or field.enum_type
    oneof = field.containing_oneof
    return (
        field.name,
        field.number,
        field.type,
        field.is_repeated,
        type_name.full_name if type_name is not None else "",
        oneof.name if oneof is not None else "",
    )


@pytest.mark.parametrize("theirs", CLIENT_MESSAGES, ids=lambda message: str(message.full_name))
def test_message_of_client_is_ours_field_by_field(theirs: Any) -> None:
    ours = POOL.FindMessageTypeByName(theirs.full_name)
    known = {wire_facts(field) for field in ours.fields}
    assert {wire_facts(field) for field in theirs.fields} <= known
    assert [enum.full_name for enum in theirs.enum_types] == [
        enum.full_name for enum in ours.enum_types
    ]
    for enum in theirs.enum_types:
        values = {value.name: value.number for value in ours.enum_types_by_name[enum.name].values}
        assert {value.name: value.number for value in enum.values} == values


def test_data_types_are_those_of_client() -> None:
    ours = dict(model_config_pb2.DataType.items())
    assert dict(client_config.DataType.items()) == ours


def test_every_call_of_client_is_ours() -> None:
    def calls(service: Any) -> dict[str, tuple[object, ...]]:
        return {
            method.name: (
                method.input_type.full_name,
                method.output_type.full_name,
                method.client_streaming,
                method.server_streaming,
            )
            for method in service.methods
        }

    theirs = client_service.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    ours = POOL.FindServiceByName("inference.GRPCInferenceService")
    assert calls(theirs) == calls(ours)


def test_newer_fields_have_their_numbers() -> None:
    numbers = {
        ("ModelConfig", "runtime"): 25,
        ("ModelConfig", "model_metrics"): 26,
        ("ModelInput", "is_non_linear_format_io"): 9,
        ("ModelOutput", "is_non_linear_format_io"): 7,
        ("ModelEnsembling", "max_inflight_requests"): 2,
        ("ModelStatistics", "response_stats"): 9,
        ("InferParameter", "double_param"): 4,
        ("InferParameter", "uint64_param"): 5,
    }
    for (message, field), number in numbers.items():
        descriptor = POOL.FindMessageTypeByName(f"inference.{message}")
        assert descriptor.fields_by_name[field].number == number


def test_request_crosses_between_client_messages_and_ours() -> None:
    ours = ModelInferRequest(model_name="m", raw_input_contents=[b"\x00\x01"])
    ours.inputs.add(name="x", datatype="UINT8", shape=[2]).parameters["p"].bool_param = True
    theirs = client_service.ModelInferRequest.FromString(ours.SerializeToString())
    assert theirs.inputs[0].parameters["p"].bool_param
    assert ModelInferRequest.FromString(theirs.SerializeToString()) == ours


def test_modules_offer_messages_enums_and_descriptor() -> None:
    assert model_config_pb2.TYPE_FP32 == model_config_pb2.DataType.Value("TYPE_FP32") == 11
    assert grpc_service_pb2.DESCRIPTOR.package == "inference"
    assert model_config_pb2.ModelConfig.DESCRIPTOR.file is model_config_pb2.DESCRIPTOR


def test_new_pool_is_apart_from_the_shared_one() -> None:
    pool = new_pool()
    assert pool is not POOL
    name = "inference.ModelInferRequest"
    assert pool.FindMessageTypeByName(name) is not POOL.FindMessageTypeByName(name)


def test_package_without_its_descriptors_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tritonpy.protos.pool._DESCRIPTOR_SET", tmp_path / "descriptors.binpb")
    with pytest.raises(ImportError, match="is missing: build the package"):
        new_pool()


def test_generator_writes_descriptors_and_stubs(tmp_path: Path) -> None:
    generator = Path(tritonpy.protos.__file__).with_name("generate.py")
    out_dir = tmp_path / "new"
    subprocess.run([sys.executable, str(generator), str(PROTOS_DIR), str(out_dir)], check=True)
    assert sorted(path.name for path in out_dir.iterdir()) == [
        "descriptors.binpb",
        "grpc_service_pb2.pyi",
        "model_config_pb2.pyi",
    ]
    stub = (out_dir / "grpc_service_pb2.pyi").read_text()
    assert "from tritonpy.protos import model_config_pb2 as _model_config_pb2\n" in stub


def test_generator_fails_on_a_broken_proto(tmp_path: Path) -> None:
    generator = Path(tritonpy.protos.__file__).with_name("generate.py")
    (tmp_path / "model_config.proto").write_text("nonsense")
    (tmp_path / "grpc_service.proto").write_text('syntax = "proto3";')
    command = [sys.executable, str(generator), str(tmp_path), str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "model_config.proto:1:1" in result.stderr
    assert list((tmp_path / "out").iterdir()) == []
