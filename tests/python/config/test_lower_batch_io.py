"""Goal: batch inputs, what outputs come apart by, and ragged inputs reach the core as configured.

Method: configs lowered and compared as values; configs with a mistake, and the text that names it.
"""

from __future__ import annotations

import pytest

from tritonpy.config import BatchInputSpec, Devices, lower, normalize, parse_config, validate

_DEVICES = Devices(gpus=(), gpu_support=False)
_TENSORS = """
    input { name: "INPUT0" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }
    input { name: "INPUT1" data_type: TYPE_FP32 dims: 1 }
    output { name: "OUTPUT0" data_type: TYPE_FP32 dims: -1 }
    output { name: "OUTPUT1" data_type: TYPE_FP32 dims: 1 }
"""


def _config(text: str, backend: str = "onnxruntime") -> str:
    return f'name: "m" backend: "{backend}" max_batch_size: 4 {text}'


def test_batch_inputs_and_outputs_are_lowered() -> None:
    text = """
        batch_input {
            kind: BATCH_ITEM_SHAPE target_name: [ "a", "b" ] data_type: TYPE_INT32
            source_input: "INPUT0"
        }
        batch_input { target_name: "c" data_type: TYPE_FP32 source_input: "INPUT1" }
        batch_output { target_name: "OUTPUT0" source_input: "INPUT0" }
    """
    config = normalize(parse_config(_config(_TENSORS + text), "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == []
    core = lower(config, 1, "", {})
    assert core.batch_inputs == (
        BatchInputSpec("BATCH_ITEM_SHAPE", ("a", "b"), "INT32", "INPUT0"),
        BatchInputSpec("BATCH_ELEMENT_COUNT", ("c",), "FP32", "INPUT1"),
    )
    assert [output.scatter_source for output in core.outputs] == ["INPUT0", ""]
    assert [tensor.allow_ragged_batch for tensor in core.inputs] == [True, False]


def test_outputs_of_identity_come_apart_by_their_ragged_inputs() -> None:
    config = normalize(parse_config(_config(_TENSORS, "identity"), "config.pbtxt"), _DEVICES)
    core = lower(config, 1, "", {})
    assert [output.scatter_source for output in core.outputs] == ["INPUT0", ""]


@pytest.mark.parametrize(
    ("dims", "reshape", "is_wrong"),
    [
        ("-1", "", False),
        ("[ -1, 2 ]", "", False),
        ("[ 2, -1 ]", "", True),
        ("[ 2, -1 ]", "reshape { shape: [ 2, -1 ] }", True),
        ("[ 1, -1 ]", "reshape { shape: -1 }", False),
    ],
)
def test_variable_dimension_of_a_batch_output_must_be_in_its_source(
    dims: str, reshape: str, is_wrong: bool
) -> None:
    text = f"""
        input {{ name: "INPUT0" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }}
        output {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: {dims} {reshape} }}
        batch_output {{ target_name: "OUTPUT0" source_input: "INPUT0" }}
    """
    config = normalize(parse_config(_config(text), "config.pbtxt"), _DEVICES)
    problem = (
        "batch output 'OUTPUT0' has a variable-size dimension that its source input 'INPUT0' does "
        "not have for m"
    )
    assert validate(config, _DEVICES) == ([problem] if is_wrong else [])
