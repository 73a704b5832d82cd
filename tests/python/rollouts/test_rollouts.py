"""Goal: what came last is in force, from file or API; a file that says the same changes nothing.

Method: a core that remembers what it was told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tritonpy.errors import InvalidArgError, NotFoundError
from tritonpy.rollouts import (
    RawCounters,
    RolloutPlan,
    Rollouts,
    ShadowCounters,
    TargetCounters,
    plan_of,
)

_FIRST: dict[str, Any] = {"labels": {"stable": 1, "canary": 2}, "split": {"stable": 1}}
_SECOND: dict[str, Any] = {"labels": {"stable": 1, "canary": 2}, "split": {"canary": 1}}
_PLACE = Path("/models/m")


class FakeCore:
    """Remembers the documents that it was given."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def set_rollout(self, name: str, plan: RolloutPlan | None) -> None:
        assert name == "m"
        self.told.append(None if plan is None else plan.document)

    def rollout_counters(self, name: str) -> RawCounters | None:
        return [("stable", 1, 10, 2)], "because", ("canary", 2, 3, 4, 5, 6, 0.5)


@pytest.fixture
def core() -> FakeCore:
    return FakeCore()


@pytest.fixture
def rollouts(core: FakeCore) -> Rollouts:
    return Rollouts(core)


def _load(rollouts: Rollouts, document: dict[str, Any] | None) -> None:
    rollouts.loaded("m", _PLACE, None if document is None else plan_of(document, "file"))


def test_a_model_without_a_file_costs_nothing(rollouts: Rollouts, core: FakeCore) -> None:
    _load(rollouts, None)
    rollouts.unloaded("m")
    assert core.told == []
    assert not rollouts.has("m")
    assert rollouts.states() == []


def test_a_file_is_put_in_force_once_and_taken_back_when_it_has_gone(
    rollouts: Rollouts, core: FakeCore
) -> None:
    _load(rollouts, _FIRST)
    _load(rollouts, _FIRST)
    _load(rollouts, _SECOND)
    _load(rollouts, None)
    assert core.told == [_FIRST, _SECOND, None]


def test_what_the_api_set_stays_until_the_file_changes(rollouts: Rollouts, core: FakeCore) -> None:
    _load(rollouts, _FIRST)
    rollouts.update("m", _SECOND)
    _load(rollouts, _FIRST)
    assert rollouts.state("m").source == "api"
    changed = _FIRST | {"sticky_by": "request_id"}
    _load(rollouts, changed)
    assert rollouts.state("m").source == "/models/m/rollout.json"
    assert core.told == [_FIRST, _SECOND, changed]


def test_an_unload_forgets_everything(rollouts: Rollouts, core: FakeCore) -> None:
    _load(rollouts, _FIRST)
    rollouts.unloaded("m")
    with pytest.raises(NotFoundError, match="model 'm' has no rollout"):
        rollouts.state("m")
    _load(rollouts, _FIRST)
    assert core.told == [_FIRST, None, _FIRST]


def test_the_state_tells_what_the_core_did(rollouts: Rollouts) -> None:
    _load(rollouts, _FIRST)
    ((name, state),) = rollouts.states()
    assert (name, state.rolled_back) == ("m", "because")
    assert state.targets == (TargetCounters("stable", 1, 10, 2),)
    assert state.shadow == ShadowCounters("canary", 2, 3, 4, 5, 6, 0.5)
    assert state.document == _FIRST


def test_a_reset_puts_the_same_in_force_again(rollouts: Rollouts, core: FakeCore) -> None:
    with pytest.raises(NotFoundError, match="model 'm' has no rollout"):
        rollouts.reset("m")
    _load(rollouts, _FIRST)
    rollouts.reset("m")
    assert core.told == [_FIRST, _FIRST]


def test_only_loaded_models_take_a_valid_document(rollouts: Rollouts, core: FakeCore) -> None:
    with pytest.raises(NotFoundError, match="Request for unknown model: 'm' is not found"):
        rollouts.update("m", _FIRST)
    with pytest.raises(InvalidArgError, match="rollout of model 'm': labels: is missing"):
        rollouts.update("m", {})
    assert core.told == []
