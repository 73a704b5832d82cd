"""Goal: mistakes in config.pbtxt or in JSON are named with their place; both forms are Triton's.

Method: tables of broken texts with the error's exact beginning, and whole JSON values compared.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tritonpy.config import (
    Devices,
    ModelConfig,
    config_from_json,
    config_to_json,
    normalize,
    parse_config,
)
from tritonpy.errors import InvalidArgError

SINGLE_MAX = 3.4028234663852886e38


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'name: "m"\n\nmax_batchsize: 3',
            'models/m/config.pbtxt:3:1: Message type "inference.ModelConfig" has no field named '
            "\"max_batchsize\". Did you mean 'max_batch_size'?",
        ),
        (
            'input [\n  {\n    name: "x"\n    zzz: 1\n  }\n]',
            'models/m/config.pbtxt:4:5: Message type "inference.ModelInput" has no field named '
            '"zzz".',
        ),
        ('name: "m"\nmax_batch_size: "x"', "models/m/config.pbtxt:2:17: "),
        ('name: "m"\ninput { data_type: TYPE_FP31 }', "models/m/config.pbtxt:2:20: "),
        ('name: "m"\n  name: "n"', "models/m/config.pbtxt:2:"),
        ("dynamic_batching { }\nsequence_batching { }", "models/m/config.pbtxt:2:1: "),
        ('name: "m"\ninput [ {', "models/m/config.pbtxt:2:"),
        ('name: "m', "models/m/config.pbtxt:1:7: "),
        ('name: "\\xff"', "models/m/config.pbtxt:1:"),
        ("max_batch_size: 99999999999", "models/m/config.pbtxt:1:17: "),
        (
            "instance_group { kind: 77 }",
            "models/m/config.pbtxt: instance_group[0].kind: enum type "
            "'inference.ModelInstanceGroup.Kind' has no value 77",
        ),
    ],
)
def test_error_names_file_line_and_column(text: str, expected: str) -> None:
    with pytest.raises(InvalidArgError) as caught:
        parse_config(text, "models/m/config.pbtxt")
    assert caught.value.message.startswith(expected)


def _places(text: str) -> list[str]:
    """Return `<line>:<column>: <rest>` for each line of the error; what is quoted is the rest."""
    with pytest.raises(InvalidArgError) as caught:
        parse_config(text, "f")
    return [line.removeprefix("f:") for line in caught.value.message.split("\n")]


@pytest.mark.parametrize(
    "value",
    [
        ": 1",
        ": -1.5",
        ": - 1",
        ": TYPE_FP32",
        ": 'it\\'s } # '",
        ': "a" # }\n "b"',
        ": [ 1, 2 ],",
        " [ { a: 1 }, { b < c: '>' > } ];",
        " { a { b: 1 } }",
        ": < a: 1 >",
    ],
)
def test_every_unknown_field_is_named_with_its_place(value: str) -> None:
    below = value.count("\n") + 2
    found = _places(f'zz{value}\nname: "m" yy: 1\ninput {{ xx{value} }}')
    assert [line[: line.index("has")] for line in found] == [
        '1:1: Message type "inference.ModelConfig" ',
        f'{below}:11: Message type "inference.ModelConfig" ',
        f'{below + 1}:9: Message type "inference.ModelInput" ',
    ]
    assert [line[-5:] for line in found] == ['"zz".', '"yy".', '"xx".']


def test_unknown_fields_are_told_up_to_another_mistake_and_with_it() -> None:
    first, second = _places("zz: 1\nbackend: x\nyy: 1")
    assert first.startswith("1:1: ")
    assert second.startswith("2:10: ")


def test_every_value_that_does_not_fit_its_field_is_told() -> None:
    text = """max_batch_size: "8" input [ { data_type: FP32 dims: [ 1, x ] } ]
sequence_batching { direct { minimum_slot_utilization: half } max_sequence_idle_microseconds: -1 }
model_transaction_policy { decoupled: maybe }"""
    told = _places(text)
    places = [line.partition(": ")[0] for line in told]
    assert places == ["1:17", "1:42", "1:58", "2:56", "2:95", "3:39"]
    assert all(text.split("\n")[int(line[0]) - 1] in line for line in told)


def test_unknown_fields_are_told_with_unknown_enum_values() -> None:
    first, second = _places("zz: 1\ninstance_group { kind: 77 }")
    assert first.startswith("1:1: ")
    assert second.endswith("has no value 77")


@pytest.mark.parametrize("rest", ["", ":", " {", ": [ 1", ": }", ": 'x\n'", ": { ' }"])
def test_an_unknown_field_that_does_not_end_is_the_last_that_is_told(rest: str) -> None:
    assert [line[:2] for line in _places(f"zz: 1\nyy{rest}")] == ["1:", "2:"]


def test_no_more_than_20_unknown_fields_are_told() -> None:
    assert len(_places("zz: 1\n" * 50)) == 20


def test_error_in_a_long_line_is_short() -> None:
    with pytest.raises(InvalidArgError) as caught:
        parse_config("input " * 100_000, "config.pbtxt")
    assert len(caught.value.message) < 400


def test_every_spelling_of_lists_maps_and_messages_is_read() -> None:
    config = parse_config(
        """
        # A comment.
        input [ { name: "a" dims: [ 1, -1 ] }, { name: "b" dims: 2 dims: 3 } ]
        input: { name: 'c' reshape: { shape: [ ] } }
        parameters { key: "k" value: { string_value: "a" "b" } }
        parameters: [ { key: "l", value { string_value: "c" } } ]
        version_policy: { specific { versions: [ 1, 3 ] } };
        """,
        "config.pbtxt",
    )
    assert [list(tensor.dims) for tensor in config.input] == [[1, -1], [2, 3], []]
    assert config.input[2].HasField("reshape")
    assert {key: value.string_value for key, value in config.parameters.items()} == {
        "k": "ab",
        "l": "c",
    }
    assert list(config.version_policy.specific.versions) == [1, 3]


SMALL_MODEL_AS_JSON: dict[str, Any] = {
    "name": "m",
    "platform": "",
    "backend": "identity",
    "runtime": "",
    "version_policy": {"latest": {"num_versions": 1}},
    "max_batch_size": 0,
    "input": [
        {
            "name": "x",
            "data_type": "TYPE_INT64",
            "format": "FORMAT_NONE",
            "dims": [-1, 2],
            "is_shape_tensor": False,
            "allow_ragged_batch": False,
            "optional": False,
            "is_non_linear_format_io": False,
        }
    ],
    "output": [],
    "batch_input": [],
    "batch_output": [],
    "optimization": {
        "priority": "PRIORITY_DEFAULT",
        "input_pinned_memory": {"enable": True},
        "output_pinned_memory": {"enable": True},
        "gather_kernel_buffer_threshold": 0,
        "eager_batching": False,
    },
    "instance_group": [
        {
            "name": "m",
            "kind": "KIND_CPU",
            "count": 1,
            "gpus": [],
            "secondary_devices": [],
            "profile": [],
            "passive": False,
            "host_policy": "",
        }
    ],
    "default_model_filename": "",
    "cc_model_filenames": {},
    "metric_tags": {},
    "parameters": {},
    "model_warmup": [],
}


def test_json_has_original_names_defaults_and_declared_order() -> None:
    text = 'name: "m" backend: "identity" input { name: "x" data_type: TYPE_INT64 dims: [ -1, 2 ] }'
    config = normalize(parse_config(text, "config.pbtxt"), Devices())
    # Compared as text: the order of the keys is part of the form.
    assert json.dumps(config_to_json(config)) == json.dumps(SMALL_MODEL_AS_JSON)


def test_json_writes_large_integers_as_numbers_but_three_fields_as_strings() -> None:
    config = parse_config(
        """
        dynamic_batching {
          max_queue_delay_microseconds: 9007199254740993
          priority_levels: 2
          priority_queue_policy { key: 2 value { default_timeout_microseconds: 5 } }
        }
        version_policy { specific { versions: 9 } }
        model_warmup { inputs { key: "x" value { dims: 4 } } }
        instance_group { secondary_devices { device_id: 3 } }
        optimization { cuda { graph_spec { input { key: "x" value { dim: 7 } } } } }
        """,
        "config.pbtxt",
    )
    values = config_to_json(config)
    dynamic = values["dynamic_batching"]
    assert dynamic["max_queue_delay_microseconds"] == 9007199254740993
    assert dynamic["priority_queue_policy"]["2"]["default_timeout_microseconds"] == 5
    assert values["version_policy"]["specific"]["versions"] == [9]
    assert values["model_warmup"][0]["inputs"]["x"]["dims"] == [4]
    assert values["instance_group"][0]["secondary_devices"][0]["device_id"] == "3"
    assert values["optimization"]["cuda"]["graph_spec"][0]["input"]["x"]["dim"] == ["7"]


def test_json_writes_initial_state_dims_as_strings_and_floats_shortly() -> None:
    config = parse_config(
        """
        sequence_batching {
          direct { minimum_slot_utilization: 0.1 }
          control_input { control { fp32_false_true: [ -inf, nan ] } }
          state { dims: 2 initial_state { dims: 2 zero_data: false } }
        }
        """,
        "config.pbtxt",
    )
    sequence = config_to_json(config)["sequence_batching"]
    assert sequence["direct"]["minimum_slot_utilization"] == 0.1
    assert sequence["control_input"][0]["control"][0]["fp32_false_true"] == ["-Infinity", "NaN"]
    state = sequence["state"][0]
    assert state["dims"] == [2]
    assert state["initial_state"][0]["dims"] == ["2"]
    assert state["initial_state"][0]["zero_data"] is False
    assert "data_file" not in state["initial_state"][0]


@pytest.mark.parametrize(
    "number", [0.0, 0.1, 1.4013e-45, 1.0000001, 1003.62006, SINGLE_MAX, -SINGLE_MAX]
)
def test_json_writes_a_single_with_as_few_digits_as_it_needs(number: float) -> None:
    values = {"sequence_batching": {"direct": {"minimum_slot_utilization": number}}}
    direct = config_to_json(config_from_json(values))["sequence_batching"]["direct"]
    assert direct["minimum_slot_utilization"] == number


def test_json_enum_names_are_read_in_any_case() -> None:
    values = {
        "instance_group": [{"kind": "kind_cpu"}],
        "input": [{"name": "Type_fp32", "data_type": "Type_fp32", "dims": ["3", 4]}],
        "dynamic_batching": {"priority_queue_policy": {"1": {"timeout_action": "delay"}}},
    }
    config = config_from_json(json.dumps(values))
    expected = parse_config(
        """
        instance_group { kind: KIND_CPU }
        input { name: "Type_fp32" data_type: TYPE_FP32 dims: [ 3, 4 ] }
        dynamic_batching { priority_queue_policy { key: 1 value { timeout_action: DELAY } } }
        """,
        "config.pbtxt",
    )
    assert config == expected
    assert config_from_json(values) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"max_batchsize": 1}',
        '{"input": 3}',
        '{"input": [3]}',
        '{"input": [{"data_type": "TYPE_FP31"}]}',
        '{"instance_group": [{"kind": 77}]}',
        '{"parameters": [1]}',
        '{"parameters": {"a": 3}}',
        '{"max_batch_size": 1e99}',
        '{"max_batch_size": NaN}',
        '{"max_batch_size": "x"}',
        '{"name": "\\ud800"}',
        '{"version_policy": {"latest": {}, "all": {}}}',
        "[" * 100_000,
        '{"a":' * 100_000,
        b"\xff\xfe",
    ],
)
def test_bad_override_is_an_invalid_argument_of_one_line(text: str | bytes) -> None:
    with pytest.raises(InvalidArgError) as caught:
        config_from_json(text)
    assert caught.value.message.startswith("Invalid config override: ")
    assert "\n" not in caught.value.message


def test_empty_override_is_an_empty_config() -> None:
    assert config_from_json("{}") == ModelConfig()
