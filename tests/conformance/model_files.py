"""Model repositories for tests: configs as text, ONNX models made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

# Every data type of V2, as a config spells it, but for BYTES, which is TYPE_STRING there.
NUMERIC_TYPES = (
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "BF16",
    "FP32",
    "FP64",
)


def write_config(repository: Path, name: str, config: str, versions: Sequence[int] = (1,)) -> Path:
    """Write one model's config and empty version directories; return the model's directory."""
    directory = repository / name
    for version in versions:
        (directory / str(version)).mkdir(parents=True)
    (directory / "config.pbtxt").write_text(config)
    return directory


def identity_config(
    wire_type: str, dims: str = "[ -1 ]", max_batch_size: int = 8, extra: str = ""
) -> str:
    """Return the config of an identity model with one input and one output."""
    config_type = "STRING" if wire_type == "BYTES" else wire_type
    return f"""
        backend: "identity"
        max_batch_size: {max_batch_size}
        input [ {{ name: "INPUT0" data_type: TYPE_{config_type} dims: {dims} }} ]
        output [ {{ name: "OUTPUT0" data_type: TYPE_{config_type} dims: {dims} }} ]
        {extra}
    """


def execute_delay(milliseconds: int) -> str:
    """Return the parameter that makes an identity model take this long."""
    return f'parameters {{ key: "execute_delay_ms" value {{ string_value: "{milliseconds}" }} }}'


def write_onnx(repository: Path, name: str, model: onnx.ModelProto, version: int = 1) -> None:
    """Write a model that needs no config."""
    directory = repository / name / str(version)
    directory.mkdir(parents=True)
    onnx.save(model, directory / "model.onnx")


def add_sub_model() -> onnx.ModelProto:
    """Return OUTPUT0 = INPUT0 + INPUT1 and OUTPUT1 = INPUT0 - INPUT1, FP32 [batch, 16]."""
    shape: list[str | int | None] = ["batch", 16]
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
            helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"]),
        ],
        "add_sub",
        [helper.make_tensor_value_info(f"INPUT{i}", TensorProto.FLOAT, shape) for i in (0, 1)],
        [helper.make_tensor_value_info(f"OUTPUT{i}", TensorProto.FLOAT, shape) for i in (0, 1)],
    )
    return checked_model(graph)


def string_identity_model() -> onnx.ModelProto:
    """Return OUTPUT0 = INPUT0, strings of any shape [batch, n], through ONNX Runtime."""
    shape: list[str | int | None] = ["batch", "n"]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])],
        "string_identity",
        [helper.make_tensor_value_info("INPUT0", TensorProto.STRING, shape)],
        [helper.make_tensor_value_info("OUTPUT0", TensorProto.STRING, shape)],
    )
    return checked_model(graph)


def checked_model(graph: onnx.GraphProto) -> onnx.ModelProto:
    """Return the model of a graph."""
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests"
    )
    onnx.checker.check_model(model)
    return model


def write_standard_repository(repository: Path) -> None:
    """Write the models that most tests share."""
    write_onnx(repository, "add_sub", add_sub_model())
    write_onnx(repository, "string_identity", string_identity_model())
    for wire_type in (*NUMERIC_TYPES, "BYTES"):
        write_config(repository, f"identity_{wire_type.lower()}", identity_config(wire_type))
    write_config(repository, "fixed", identity_config("FP32", "[ 4 ]", 4))
    write_config(repository, "unbatched", identity_config("FP32", "[ 2, 3 ]", 0))
    write_config(repository, "any_shape", identity_config("INT64", "[ -1, -1 ]", 0))
    write_config(repository, "versions", identity_config("INT32", extra=ALL_VERSIONS), (1, 3))
    write_config(repository, "two_inputs", TWO_INPUTS)
    directory = write_config(repository, "classes", CLASSES)
    (directory / "labels.txt").write_text("zero\none\ntwo\nthree\n")


ALL_VERSIONS = "version_policy { all {} }"
TWO_INPUTS = """
    backend: "identity"
    max_batch_size: 8
    input [
        { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] },
        { name: "INPUT1" data_type: TYPE_STRING dims: [ -1 ] }
    ]
    output [
        { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] },
        { name: "OUTPUT1" data_type: TYPE_STRING dims: [ -1 ] }
    ]
"""
CLASSES = """
    backend: "identity"
    max_batch_size: 4
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "labels.txt" } ]
"""
