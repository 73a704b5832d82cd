"""Goal: the parameter means what it says, or its config is refused.

Method: a config of token numbers with each value of the parameter and each change that makes it
impossible.
"""

from __future__ import annotations

import struct

import pytest

from tritonpy.config import Devices, lower, normalize, parse_config, validate
from tritonpy.config.padding import PaddingSpec

_DEVICES = Devices(gpus=(), gpu_support=False)
_VALUE = "ids=-1 , weights=0.5; mask=mask"
_BATCHING = 'backend: "b" max_batch_size: 4 dynamic_batching {}'
_INPUTS = """
    input { name: "ids" data_type: TYPE_INT64 dims: [ 2, -1 ] }
    input { name: "weights" data_type: TYPE_FP32 dims: [ 1, -1, 3 ] }
    input { name: "mask" data_type: TYPE_BOOL dims: [ 1, -1 ] }
    input { name: "fixed" data_type: TYPE_STRING dims: [ 1 ] }
"""
_OUTPUTS = """
    output { name: "each" data_type: TYPE_FP32 dims: [ 1, -1, 8 ] }
    output { name: "pooled" data_type: TYPE_FP32 dims: [ 8 ] }
"""


def _problems(
    value: str = _VALUE, batching: str = _BATCHING, inputs: str = _INPUTS, outputs: str = _OUTPUTS
) -> list[str]:
    parameter = f'parameters {{ key: "padding" value {{ string_value: "{value}" }} }}'
    text = f'name: "m" {batching} {inputs} {outputs} {parameter}'
    return validate(normalize(parse_config(text, "config.pbtxt"), _DEVICES), _DEVICES)


def test_value_reaches_the_core() -> None:
    parameter = f'parameters {{ key: "padding" value {{ string_value: "{_VALUE}" }} }}'
    text = f'name: "m" {_BATCHING} {_INPUTS} {_OUTPUTS}'
    config = normalize(parse_config(f"{text} {parameter}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == []
    assert lower(config, 1, "", {}).padding == PaddingSpec(
        axis=2,
        inputs=(
            ("ids", struct.pack("<q", -1)),
            ("weights", struct.pack("<f", 0.5)),
            ("mask", b"\0"),
        ),
        outputs=("each",),
    )
    plain = normalize(parse_config(text, "config.pbtxt"), _DEVICES)
    assert lower(plain, 1, "", {}).padding is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "there is no '; mask='"),
        ("ids=0", "there is no '; mask='"),
        ("ids; mask=mask", "got 'ids'"),
        ("ids=0,; mask=mask", "got ''"),
        ("ids=0; mask=", "got 'mask=' for the mask"),
        ("ids=0; cover=mask", "got 'cover=mask' for the mask"),
        ("ids=0, ids=1; mask=mask", "input 'ids' is there twice"),
        ("mask=0; mask=mask", "input 'mask' is there twice"),
    ],
)
def test_text_of_another_form_is_refused(value: str, reason: str) -> None:
    assert _problems(value) == [
        f"parameter 'padding' must be 'input=value, ...; mask=input' for m, but {reason}"
    ]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"value": "ids=0, weights=0, what=0; mask=mask"}, "it has no input 'what'"),
        (
            {"value": "ids=0.5, weights=0; mask=mask"},
            "input 'ids' of TYPE_INT64 cannot be padded with '0.5'",
        ),
        (
            {"value": f"ids={1 << 63}, weights=0; mask=mask"},
            f"input 'ids' of TYPE_INT64 cannot be padded with '{1 << 63}'",
        ),
        (
            {"inputs": _INPUTS.replace("TYPE_BOOL", "TYPE_STRING")},
            "input 'mask' of TYPE_STRING cannot be padded with '0'",
        ),
        (
            {"value": "ids=0; mask=mask"},
            "input 'weights', which is not padded, is optional or of variable size",
        ),
        (
            {"inputs": _INPUTS.replace("[ 2, -1 ]", "[ -1, 2 ]")},
            "the inputs must have one variable-size dimension, all of them the same",
        ),
        (
            {"inputs": _INPUTS.replace("[ 2, -1 ]", "[ -1, -1 ]")},
            "the inputs must have one variable-size dimension, all of them the same",
        ),
        (
            {"inputs": _INPUTS.replace("[ 2, -1 ]", "[ 2, -1 ] optional: true")},
            "input 'ids' is optional, ragged or reshaped",
        ),
        (
            {"outputs": _OUTPUTS.replace("[ 8 ]", "[ -1 ]")},
            "output 'pooled' is reshaped, or of variable size where the inputs are not",
        ),
        (
            {
                "outputs": _OUTPUTS.replace(
                    '"each" data_type: TYPE_FP32', '"each" data_type: TYPE_STRING'
                )
            },
            "output 'each' of TYPE_STRING cannot be cut back",
        ),
        (
            {"batching": 'backend: "b" max_batch_size: 4'},
            "it needs 'max_batch_size' and 'dynamic_batching'",
        ),
        (
            {"batching": _BATCHING.replace('"b"', '"python"')},
            "a Python model gets its requests one by one, and pads them itself",
        ),
        (
            {"outputs": _OUTPUTS + 'batch_output { target_name: "each" source_input: "weights" }'},
            "it has a 'batch_input' or 'batch_output'",
        ),
    ],
)
def test_model_that_cannot_have_it_is_refused(changed: dict[str, str], reason: str) -> None:
    assert _problems(**changed) == [f"parameter 'padding' is not possible for m: {reason}"]


def test_ensemble_is_refused() -> None:
    problems = _problems(batching='platform: "ensemble" max_batch_size: 4')
    assert (
        "parameter 'padding' is not possible for m: it is an ensemble, whose steps have the "
        "parameter"
    ) in problems
