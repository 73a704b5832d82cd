"""Goal: ModelConfig completes a config, and refuses to contradict it, in Triton's texts.

Method: configs in, configs or errors out.
"""

from __future__ import annotations

from typing import Any

import pytest

import tritonpy.worker.triton_python_backend_utils as pb_utils
from tritonpy.worker.model_config import ModelConfig

TENSOR = {"name": "x", "data_type": "TYPE_FP32", "dims": [4]}
WHERE = "in auto-complete-config function for model 'm'"


def config(**fields: Any) -> ModelConfig:
    return ModelConfig({"name": "m", **fields})


def test_empty_config_is_filled() -> None:
    empty = config()
    empty.set_max_batch_size(8)
    empty.add_input({**TENSOR, "optional": True})
    empty.add_output(TENSOR)
    empty.set_dynamic_batching()
    empty.set_model_transaction_policy({"decoupled": True})
    assert empty.as_dict() == {
        "name": "m",
        "max_batch_size": 8,
        "input": [{**TENSOR, "optional": True}],
        "output": [TENSOR],
        "dynamic_batching": {},
        "model_transaction_policy": {"decoupled": True},
    }


def test_what_the_config_says_stays() -> None:
    given = {"preferred_batch_size": [4]}
    full = config(input=[TENSOR], dynamic_batching=given, max_batch_size=2)
    full.add_input(TENSOR)
    full.set_dynamic_batching()
    assert full.as_dict()["input"] == [TENSOR]
    assert full.as_dict()["dynamic_batching"] == given


def test_entry_that_is_not_whole_is_completed() -> None:
    partial = config(input=[{"name": "x"}])
    partial.add_input(TENSOR)
    assert partial.as_dict()["input"] == [TENSOR]


@pytest.mark.parametrize(
    ("fields", "call", "text"),
    [
        (
            {"max_batch_size": 9},
            lambda c: c.set_max_batch_size(4),
            "configuration specified max_batch_size 9, but in auto-complete-config function for "
            "model 'm' specified max_batch_size 4",
        ),
        (
            {},
            lambda c: c.add_input({**TENSOR, "shape": [1]}),
            f"input 'x' {WHERE} contains property other than 'name', 'data_type', 'dims' and "
            "'optional'.",
        ),
        (
            {},
            lambda c: c.add_output({**TENSOR, "optional": True}),
            f"output 'x' {WHERE} contains property other than 'name', 'data_type' and 'dims'.",
        ),
        (
            {},
            lambda c: c.add_output({"name": "x", "dims": [1]}),
            f"output 'x' {WHERE} is missing 'data_type' property.",
        ),
        (
            {"input": [{**TENSOR, "data_type": "TYPE_INT8"}]},
            lambda c: c.add_input(TENSOR),
            "unable to load model 'm', configuration expects datatype TYPE_INT8 for input 'x', "
            "model provides TYPE_FP32",
        ),
        (
            {"output": [{**TENSOR, "dims": ["5", "-1"]}]},
            lambda c: c.add_output(TENSOR),
            "model 'm', tensor 'x': the model expects dims [4] but the model configuration "
            "specifies dims [5, -1]",
        ),
        (
            {"sequence_batching": {}},
            lambda c: c.set_dynamic_batching(),
            "Configuration specified scheduling_choice as 'sequence_batching', but "
            "auto-complete-config function for model 'm' tries to set scheduling_choice as "
            "'dynamic_batching'",
        ),
        (
            {},
            lambda c: c.set_model_transaction_policy({"coupled": True}),
            "model transaction property in auto-complete-config function for model 'm' contains "
            "property other than 'decoupled'",
        ),
        (
            {"model_transaction_policy": {"decoupled": True}},
            lambda c: c.set_model_transaction_policy({"decoupled": False}),
            "trying to change decoupled property in auto-complete-config for model 'm', which is "
            "already set to 'True'.",
        ),
    ],
)
def test_contradiction_is_refused(fields: dict[str, Any], call: Any, text: str) -> None:
    with pytest.raises(ValueError, match="m") as error:
        call(config(**fields))
    assert str(error.value) == text


def test_helpers_read_a_config() -> None:
    plain = {"input": [TENSOR], "output": [{**TENSOR, "name": "y"}]}
    assert pb_utils.get_input_config_by_name(plain, "x") == TENSOR
    assert pb_utils.get_output_config_by_name(plain, "y") == {**TENSOR, "name": "y"}
    assert pb_utils.get_output_config_by_name(plain, "x") is None
    assert not pb_utils.using_decoupled_model_transaction_policy(plain)
    decoupled = {"model_transaction_policy": {"decoupled": True}}
    assert pb_utils.using_decoupled_model_transaction_policy(decoupled)
