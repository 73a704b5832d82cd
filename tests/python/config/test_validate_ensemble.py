"""Goal: every rule of an ensemble answers with its exact text, and sound graphs pass.

Method: tables of (what is added to an ensemble "e" with input IN and output OUT, problems).
"""

from __future__ import annotations

import pytest

from tritonpy.config import Devices, normalize, parse_config, validate

TENSOR = "data_type: TYPE_FP32 dims: 1"
HEAD = f'name: "e" platform: "ensemble" input {{ name: "IN" {TENSOR} }} '
HEAD += f'output {{ name: "OUT" {TENSOR} }} '


def step(model: str, reads: dict[str, str], writes: dict[str, str]) -> str:
    maps = "".join(
        f'{field} {{ key: "{key}" value: "{tensor}" }} '
        for field, tensors in (("input_map", reads), ("output_map", writes))
        for key, tensor in tensors.items()
    )
    return f'step {{ model_name: "{model}" model_version: -1 {maps} }} '


def problems_of(text: str) -> list[str]:
    devices = Devices()
    return validate(normalize(parse_config(text, "config.pbtxt"), devices), devices)


SOUND = step("a", {"x": "IN"}, {"y": "mid"}) + step("b", {"x": "mid"}, {"y": "OUT"})


def test_connected_graph_is_accepted_in_any_order_of_steps() -> None:
    assert problems_of(f"{HEAD} ensemble_scheduling {{ {SOUND} }}") == []
    backwards = step("b", {"x": "mid"}, {"y": "OUT"}) + step("a", {"x": "IN"}, {"y": "mid"})
    assert problems_of(f"{HEAD} ensemble_scheduling {{ {backwards} }}") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "ensemble scheduling must be set for ensemble e whose platform is ensemble"),
        ("ensemble_scheduling { }", "must specify 'step' for ensemble 'e'"),
        (
            f"ensemble_scheduling {{ {SOUND} }} instance_group {{ count: 1 }}",
            "instance group should not be specified for ensemble 'e'",
        ),
        (
            f"ensemble_scheduling {{ {SOUND} }} optimization {{ }}",
            "optimization should not be specified for ensemble 'e'",
        ),
        (
            f'ensemble_scheduling {{ {SOUND} }} model_warmup {{ name: "w" }}',
            "model_warmup can not be specified for ensemble 'e'",
        ),
        (
            f'ensemble_scheduling {{ {SOUND} }} backend: "b"',
            "Ensemble model 'e' must have platform type 'ensemble' and empty backend type",
        ),
    ],
)
def test_ensemble_rule_has_its_text(text: str, expected: str) -> None:
    assert problems_of(HEAD + text) == [expected]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            step("", {"x": "IN"}, {"y": "OUT"}),
            ["must specify 'model_name' in step 0 of ensemble 'e'"],
        ),
        (step("a", {}, {"y": "OUT"}), ["must specify 'input_map' in step 0 of ensemble 'e'"]),
        (
            SOUND + step("a", {"x": "IN"}, {}),
            ["must specify 'output_map' in step 2 of ensemble 'e'"],
        ),
        (
            SOUND + step("a", {"x": "IN"}, {"y": "IN"}),
            ["ensemble tensor 'IN' can appear in an output map only once for ensemble 'e' step 2"],
        ),
        (
            step("a", {"x": "IN"}, {"y": "OUT"}) + step("b", {"x": "IN"}, {"y": "OUT"}),
            ["ensemble tensor 'OUT' can appear in an output map only once for ensemble 'e' step 1"],
        ),
        (
            step("a", {"x": "other"}, {"y": "OUT"}),
            [
                "ensemble input 'IN' for ensemble e' is not used",
                "output 'OUT' for ensemble 'e' is not written: at least one of its depending "
                "tensors, 'other', is not connected",
            ],
        ),
        (
            step("a", {"x": "IN"}, {"y": "mid"}),
            [
                "ensemble output 'OUT' for ensemble e' is not used",
                "ensemble tensor 'mid' is unused in ensemble 'e'",
            ],
        ),
        (
            step("a", {"x": "IN", "z": "lost"}, {"y": "mid"})
            + step("b", {"x": "mid"}, {"y": "OUT"}),
            [
                "output 'OUT' for ensemble 'e' is not written: at least one of its depending "
                "tensors, 'lost', is not connected",
            ],
        ),
        (
            step("a", {"x": "IN", "z": "OUT"}, {"y": "OUT"}),
            ["output 'OUT' for ensemble 'e' is not written"],
        ),
        (
            SOUND + step("c", {"x": "IN"}, {"y": "spare"}),
            ["ensemble tensor 'spare' is unused in ensemble 'e'"],
        ),
    ],
)
def test_graph_rule_has_its_text(steps: str, expected: list[str]) -> None:
    assert problems_of(f"{HEAD} ensemble_scheduling {{ {steps} }}") == expected


def test_steps_of_another_platform_are_refused() -> None:
    text = f'name: "m" backend: "b" ensemble_scheduling {{ {SOUND} }}'
    assert problems_of(text) == [
        "ensemble scheduling cannot be set for model 'm' whose platform is not ensemble"
    ]


def test_scheduling_problem_comes_before_tensor_problem() -> None:
    problems = problems_of('name: "e" platform: "ensemble" input { name: "IN" }')
    assert problems[0].startswith("ensemble scheduling must be set")
    assert problems[1:] == [
        "model input 'IN' must specify 'data_type' for e",
        "model input 'IN' must specify 'dims' for e",
    ]
