"""Goal: a rollout's document means what it says, and each way in which it is wrong is named.

Method: documents as Python values, and a few as files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tritonpy.errors import InvalidArgError
from tritonpy.rollouts import (
    HeaderRule,
    RollbackPlan,
    RolloutTarget,
    ShadowPlan,
    plan_of,
    read_plan,
)

_LABELS = {"stable": 1, "canary": 2, "next": 3}
_GOOD: dict[str, Any] = {"labels": _LABELS, "split": {"stable": 95, "canary": 5}}


def _shadow(**fields: Any) -> dict[str, Any]:
    return {**_GOOD, "shadow": {"label": "next", "percent": 10, **fields}}


def _rollback(**fields: Any) -> dict[str, Any]:
    return {**_GOOD, "rollback": {"to": "stable", "when": {"p99_ms": 1}, **fields}}


def test_a_document_becomes_a_plan() -> None:
    when = {"error_rate": 0.05, "p99_ms": 1.5}
    document = _rollback(when=when, over_requests=50) | {"sticky_by": "parameter:user"}
    plan = plan_of(document, "here")
    assert plan.targets == (
        RolloutTarget("stable", 1, 95),
        RolloutTarget("canary", 2, 5),
        RolloutTarget("next", 3, 0),
    )
    assert (plan.sticky_parameter, plan.sticky_by_request_id) == ("user", False)
    assert plan.rollback == RollbackPlan(0, 0.05, 1_500_000, 50)
    assert plan.document == document


def test_a_shadow_is_a_label_a_share_and_how_far_off_it_may_be() -> None:
    assert plan_of(_shadow(), "here").shadow == ShadowPlan("next", 3, 10, 0.0, 0.0)
    near = plan_of(_shadow(compare={"rtol": 0.5, "atol": 2}), "here").shadow
    assert near == ShadowPlan("next", 3, 10, 0.5, 2.0)
    assert plan_of(_GOOD, "here").shadow is None


def _headers(*rules: Any) -> dict[str, Any]:
    return _GOOD | {"headers": list(rules)}


def test_headers_lead_to_labels_and_make_a_split_sticky() -> None:
    document = _headers(
        {"name": "X-Beta", "value": "yes", "label": "canary"}, {"name": "x-next", "label": "next"}
    )
    plan = plan_of(document | {"sticky_by": "header:X-User"}, "here")
    assert plan.headers == (HeaderRule("x-beta", "yes", 1), HeaderRule("x-next", None, 2))
    assert (plan.sticky_header, plan.sticky_parameter) == ("x-user", "")


def test_what_is_not_said_is_off() -> None:
    plan = plan_of(_GOOD, "here")
    assert (plan.headers, plan.sticky_header) == ((), "")
    assert (plan.sticky_parameter, plan.sticky_by_request_id, plan.rollback) == ("", False, None)
    assert plan_of(_GOOD | {"sticky_by": "request_id"}, "here").sticky_by_request_id
    assert plan_of(_GOOD | {"sticky_by": "correlation_id"}, "here").sticky_parameter == ""
    rollback = plan_of(_rollback(), "here").rollback
    assert rollback is not None
    assert (rollback.error_rate, rollback.over_requests) == (None, 200)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "here: expected a JSON object"),
        ({}, "here: labels: is missing"),
        ({"labels": _LABELS}, "here: split: is missing"),
        (
            _GOOD | {"shadows": {}},
            "here: shadows: unknown field; known: 'headers', 'labels', 'rollback', 'shadow', "
            "'split', 'sticky_by'",
        ),
        (_GOOD | {"labels": []}, "here: labels: expected a JSON object"),
        (_GOOD | {"labels": {}}, "here: labels: expected 1 to 64 labels, got 0"),
        (
            _GOOD | {"labels": {"1st": 1}},
            "here: labels: '1st' is no label: a letter or '_' first, then letters, digits, '_', "
            "'.' and '-', 64 at most",
        ),
        (
            _GOOD | {"labels": {"stable": 0}},
            "here: labels.stable: expected an integer from 1 to 9223372036854775807, got 0",
        ),
        (
            _GOOD | {"split": {"stable": True}},
            "here: split.stable: expected an integer from 0 to 1000000, got true",
        ),
        (
            _GOOD | {"split": {"other": 1}},
            "here: split: \"other\" is not one of the labels 'canary', 'next', 'stable'",
        ),
        (_GOOD | {"split": {}}, "here: split: expected a label with a weight above 0"),
        (_GOOD | {"split": {"stable": 0}}, "here: split: expected a label with a weight above 0"),
        (
            _GOOD | {"sticky_by": "header:x user"},
            "here: sticky_by: expected 'correlation_id', 'request_id', 'parameter:<name of a "
            "request parameter>' or 'header:<name of a header>', got \"header:x user\"",
        ),
        (
            _rollback(to=None),
            "here: rollback.to: null is not one of the labels 'canary', 'next', 'stable'",
        ),
        (_GOOD | {"headers": {}}, "here: headers: expected a list of at most 64 rules"),
        (_headers({"name": "x"}), "here: headers[0].label: is missing"),
        (
            _headers({"name": "x y", "label": "next"}),
            'here: headers[0].name: "x y" is no name of a header',
        ),
        (
            _headers({"name": "x", "label": "next"}, {"name": "x", "value": 1, "label": "next"}),
            "here: headers[1].value: expected a string, got 1",
        ),
        (
            _headers({"name": "x", "label": "other"}),
            "here: headers[0].label: \"other\" is not one of the labels 'canary', 'next', 'stable'",
        ),
        (_rollback(when={}), "here: rollback.when: expected 'error_rate', 'p99_ms' or both"),
        (
            _rollback(when={"p50_ms": 1}),
            "here: rollback.when.p50_ms: unknown field; known: 'error_rate', 'p99_ms'",
        ),
        (
            _rollback(when={"error_rate": 5}),
            "here: rollback.when.error_rate: expected a number from 0 to 1, got 5",
        ),
        (
            _rollback(when={"p99_ms": float("nan")}),
            "here: rollback.when.p99_ms: expected a number from 0 to 1e+09, got NaN",
        ),
        (
            _shadow(label="other"),
            "here: shadow.label: \"other\" is not one of the labels 'canary', 'next', 'stable'",
        ),
        (
            _shadow(percent=101),
            "here: shadow.percent: expected an integer from 0 to 100, got 101",
        ),
        (
            _shadow(compare={"rtol": -1}),
            "here: shadow.compare.rtol: expected a number from 0 to 1e+09, got -1",
        ),
        (
            _rollback(over_requests=0),
            "here: rollback.over_requests: expected an integer from 1 to 100000, got 0",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_field(document: object, text: str) -> None:
    with pytest.raises(InvalidArgError) as raised:
        plan_of(document, "here")
    assert raised.value.message == text


def test_a_directory_may_have_no_file(tmp_path: Path) -> None:
    assert read_plan(tmp_path) is None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rollout.json"
    path.write_text("{")
    with pytest.raises(InvalidArgError) as raised:
        read_plan(tmp_path)
    assert raised.value.message.startswith(f"{path}: is not JSON: ")
    path.unlink()
    path.mkdir()
    with pytest.raises(InvalidArgError) as raised:
        read_plan(tmp_path)
    assert raised.value.message == f"{path}: cannot be read: Is a directory"
