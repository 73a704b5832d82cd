"""Goal: models on demand, their budget and their exceptions are read. Method: command lines."""

from __future__ import annotations

import pytest

from tritonpy.options import OptionError, RepositoryOptions, parse_options


def _options(*arguments: str) -> RepositoryOptions:
    return parse_options(["--repo=/m", *arguments], {}).options.repository


def test_models_on_demand_have_a_budget_and_exceptions() -> None:
    options = _options("--load-on-demand=true", "--model-memory-budget=8000000000", "--pin-model=a")
    assert options.load_on_demand
    assert options.memory_budget == 8_000_000_000
    assert options.pinned_models == ("a",)
    assert not _options().load_on_demand


@pytest.mark.parametrize("alone", ["--model-memory-budget=1", "--pin-model=a"])
def test_neither_means_anything_without_models_on_demand(alone: str) -> None:
    name = alone.partition("=")[0]
    text = f"Error: Use of '{name}' requires setting '--load-on-demand=true'."
    with pytest.raises(OptionError) as refused:
        _options(alone)
    assert str(refused.value) == text
