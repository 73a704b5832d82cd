"""Goal: what a model needs, and circles, are found. Method: small graphs."""

from __future__ import annotations

import pytest

from tritonpy.config import parse_config
from tritonpy.repository.dependencies import Dependents, circle_through, composing_models


def test_an_ensemble_needs_each_of_its_models_once() -> None:
    steps = "".join(f'step {{ model_name: "{name}" }} ' for name in ("b", "a", "b"))
    config = parse_config(f"ensemble_scheduling {{ {steps} }}", "config.pbtxt")
    assert composing_models(config) == ("b", "a")
    assert composing_models(parse_config('backend: "python"', "config.pbtxt")) == ()


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({"a": ["b"], "b": ["c"]}, ()),
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b", "c"], "b": ["d"], "c": ["a"], "d": ["a"]}, ("a", "c", "a")),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ()),  # not through a
    ],
)
def test_the_shortest_circle_is_found(needs: dict[str, list[str]], circle: tuple[str, ...]) -> None:
    assert circle_through("a", needs) == circle


def test_dependents_are_those_that_need_a_model_now() -> None:
    dependents = Dependents()
    dependents.note("both", ("a", "b"))
    dependents.note("one", ("a",))
    dependents.note("none", ())
    assert [dependents.of(name) for name in "abc"] == [["both", "one"], ["both"], []]
    dependents.note("both", ("b", "c"))
    assert [dependents.of(name) for name in "abc"] == [["one"], ["both"], ["both"]]
    dependents.note("one", ())
    assert dependents.of("a") == []
