"""Goal: the rules on dynamic and sequence batching answer with their exact texts.

Method: as in test_validate.py.
"""

from __future__ import annotations

import pytest

from tests.python.config.test_validate import problems_of

DELAYS = "timeout_action: DELAY default_timeout_microseconds: 5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("preferred_batch_size: [1, 0]", "dynamic batching preferred size must be positive for m"),
        (
            "preferred_batch_size: 5",
            "dynamic batching preferred size must be <= max batch size for m",
        ),
        ("priority_levels: 3", "default priority level must be in range [1, 3] for m"),
        (
            "priority_levels: 3 default_priority_level: 4",
            "default priority level must be in range [1, 3] for m",
        ),
        (
            "priority_levels: 2 default_priority_level: 1 "
            "priority_queue_policy { key: 3 value { } }",
            "priority queue policy must have priority level in range [1, 2] for m",
        ),
        (
            "priority_levels: 2 default_priority_level: 1 preserve_ordering: true",
            "Only one priority level is allowed when 'preserve_ordering' is true for m",
        ),
        (
            f"preserve_ordering: true default_queue_policy {{ {DELAYS} }}",
            "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true "
            "for m",
        ),
        (
            "preserve_ordering: true priority_levels: 1 default_priority_level: 1 "
            f"priority_queue_policy {{ key: 1 value {{ {DELAYS} }} }}",
            "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true "
            "for m",
        ),
    ],
)
def test_dynamic_batching_rule_has_its_text(text: str, expected: str) -> None:
    model = f'name: "m" backend: "b" max_batch_size: 4 dynamic_batching {{ {text} }}'
    assert problems_of(model) == [expected]


START, CORRID = "CONTROL_SEQUENCE_START", "CONTROL_SEQUENCE_CORRID"
BOTH = "fp32_false_true: [0, 1] int32_false_true: [0, 1]"
STATE = 'input_name: "i" output_name: "o" data_type: TYPE_FP32 dims: [2, -1]'


def control(name: str, body: str) -> str:
    return f'control_input {{ name: "{name}" control [ {{ {body} }} ] }} '


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            control("", f"kind: {START} int32_false_true: [0, 1]"),
            "sequence batching control tensor must have a name for m",
        ),
        (
            control("s", f"kind: {START} int32_false_true: [0, 1]")
            + control("s", "kind: CONTROL_SEQUENCE_END int32_false_true: [0, 1]"),
            "sequence batching control tensor 's' is specified for multiple control kinds for m",
        ),
        (
            control("s", f"kind: {START} int32_false_true: [0, 1]")
            + control("t", f"kind: {START} bool_false_true: [false, true]"),
            f"sequence batching specifies multiple {START} tensors for m",
        ),
        (
            control("s", f"kind: {START}"),
            "sequence batching must specify either 'int32_false_true', 'fp32_false_true' or "
            f"'bool_false_true' for {START} for m",
        ),
        (
            control("s", f"kind: {START} {BOTH}"),
            "sequence batching specifies more than one from 'int32_false_true', "
            f"'fp32_false_true' and 'bool_false_true' for {START} for m",
        ),
        (
            control("s", f"kind: {START} fp32_false_true: 1"),
            "sequence batching control 'fp32_false_true' must have exactly 2 entries for "
            f"{START} for m",
        ),
        (
            control("c", f"kind: {CORRID} data_type: TYPE_INT32 int32_false_true: [0, 1]"),
            "sequence batching must not specify either 'int32_false_true', 'fp32_false_true' or "
            f"'bool_false_true' for {CORRID} for m",
        ),
        (
            control("c", f"kind: {CORRID} data_type: TYPE_FP32"),
            f"unexpected data type for control {CORRID} for m. Allowed data types are "
            "TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING",
        ),
        (
            "oldest { preferred_batch_size: -1 }",
            "sequence batching preferred batch size must be positive for m",
        ),
        (
            "oldest { preferred_batch_size: 5 }",
            "sequence batching preferred batch size must be <= max batch size for m",
        ),
        (
            "direct { minimum_slot_utilization: 1.5 }",
            "sequence batching minimum slot utilization must be in range (0.0, 1.0] for m",
        ),
        (
            f"state {{ {STATE} "
            + 'initial_state { name: "a" data_type: TYPE_FP32 dims: [2, 1] } ' * 2
            + "}",
            "initial_state field for state input 'i' must contain exactly one or zero element. "
            "Found '2' elements.",
        ),
        (
            f"state {{ {STATE} initial_state {{ data_type: TYPE_FP32 dims: [2, 1] }} }}",
            "Field 'name' must be set when using initial_state for state input 'i'.",
        ),
        (
            f'state {{ {STATE} initial_state {{ name: "a" data_type: TYPE_INT8 dims: [2, 1] }} }}',
            "initial_state 'data_type' must be the state's own for state input 'i'.",
        ),
        (
            f'state {{ {STATE} initial_state {{ name: "a" data_type: TYPE_FP32 dims: [3, 1] }} }}',
            "initial_state 'dims' must fit the state's own for state input 'i'.",
        ),
        (
            f'state {{ {STATE} initial_state {{ name: "a" data_type: TYPE_FP32 dims: [2, -1] }} }}',
            "initial_state 'dims' must not be variable-size for state input 'i'.",
        ),
    ],
)
def test_sequence_batching_rule_has_its_text(text: str, expected: str) -> None:
    model = f'name: "m" backend: "b" max_batch_size: 4 sequence_batching {{ {text} }}'
    assert problems_of(model) == [expected]
