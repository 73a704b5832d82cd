"""An ONNX model that shows what it was told of its batch, and models with optional inputs."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from tests.conformance.model_files import checked_model

RAGGED = "ragged"
# Batch inputs of the model by the output that shows them, with their kinds. Every row of the output
# is the whole batch input.
SHOWN = {
    "COUNTS": "BATCH_ELEMENT_COUNT",
    "SUMS": "BATCH_ACCUMULATED_ELEMENT_COUNT",
    "OFFSETS": "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO",
    "FLAT": "BATCH_ITEM_SHAPE_FLATTEN",
}
_KINDS = SHOWN | {"WIDEST": "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", "SHAPES": "BATCH_ITEM_SHAPE"}


def ragged_config(data_type: str) -> str:
    """Return the config of `ragged_model`, batch inputs being of that type."""
    shown = "".join(
        f'output {{ name: "{name}_SHOWN" data_type: {data_type} dims: -1 }}'
        for name in (*SHOWN, "SHAPES")
    )
    made = "".join(
        f'batch_input {{ kind: {kind} target_name: "{name}" data_type: {data_type} '
        'source_input: "INPUT0" }'
        for name, kind in _KINDS.items()
    )
    return f"""
        backend: "onnxruntime"
        max_batch_size: 8
        dynamic_batching {{}}
        instance_group [ {{ count: 1 }} ]
        input [ {{ name: "INPUT0" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }} ]
        output {{ name: "DOUBLED" data_type: TYPE_FP32 dims: -1 }}
        output {{ name: "WIDTH" data_type: TYPE_INT64 dims: -1 }}
        {shown}
        {made}
        batch_output {{ target_name: "DOUBLED" source_input: "INPUT0" }}
    """


def ragged_model(element: int) -> onnx.ModelProto:
    """Return a model of INPUT0 [-1] and batch inputs of that ONNX type.

    DOUBLED is as long as INPUT0; the other outputs have a row for each row of the batch.
    """
    constants = [
        helper.make_tensor("zero", element, [], [0]),
        helper.make_tensor("one", element, [], [1]),
        helper.make_tensor("wide_zero", TensorProto.INT64, [], [0]),
        helper.make_tensor("two", TensorProto.FLOAT, [], [2]),
        helper.make_tensor("row", TensorProto.INT64, [2], [1, -1]),
    ]
    nodes = [
        helper.make_node("Mul", ["INPUT0", "two"], ["DOUBLED"]),
        helper.make_node("Mul", ["SHAPES", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["ones"]),
        helper.make_node("Identity", ["SHAPES"], ["SHAPES_SHOWN"]),
        helper.make_node("Shape", ["WIDEST"], ["width"]),
        helper.make_node("Cast", ["nothing"], ["wide_nothing"], to=TensorProto.INT64),
        helper.make_node("Add", ["wide_nothing", "width"], ["WIDTH"]),
    ]
    for name in SHOWN:
        nodes += [
            helper.make_node("Reshape", [name, "row"], [f"{name}_row"]),
            helper.make_node("Mul", ["ones", f"{name}_row"], [f"{name}_SHOWN"]),
        ]
    vector: list[str | int | None] = [None]
    matrix: list[str | int | None] = [None, None]
    inputs = [helper.make_tensor_value_info("INPUT0", TensorProto.FLOAT, vector)]
    inputs += [
        helper.make_tensor_value_info(name, element, matrix if name == "SHAPES" else vector)
        for name in _KINDS
    ]
    outputs = [
        helper.make_tensor_value_info("DOUBLED", TensorProto.FLOAT, vector),
        helper.make_tensor_value_info("WIDTH", TensorProto.INT64, matrix),
        *(
            helper.make_tensor_value_info(f"{name}_SHOWN", element, matrix)
            for name in (*SHOWN, "SHAPES")
        ),
    ]
    return checked_model(helper.make_graph(nodes, "ragged", inputs, outputs, initializer=constants))


def write_ragged(repository: Path, name: str, data_type: str, element: int) -> None:
    """Write the model of that data type of batch inputs."""
    directory = repository / name
    (directory / "1").mkdir(parents=True)
    onnx.save(ragged_model(element), directory / "1" / "model.onnx")
    (directory / "config.pbtxt").write_text(ragged_config(data_type))


def default_of_three_model() -> onnx.ModelProto:
    """Return Y = X + W, FP32 [n], where W has the value 3 unless it is given."""
    shape: list[str | int | None] = ["n"]
    return checked_model(
        helper.make_graph(
            [helper.make_node("Add", ["X", "W"], ["Y"])],
            "default_of_three",
            [
                helper.make_tensor_value_info("X", TensorProto.FLOAT, shape),
                helper.make_tensor_value_info("W", TensorProto.FLOAT, [1]),
            ],
            [helper.make_tensor_value_info("Y", TensorProto.FLOAT, shape)],
            initializer=[helper.make_tensor("W", TensorProto.FLOAT, [1], [3])],
        )
    )
