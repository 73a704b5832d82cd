"""Goal: what is wanted is loaded once, failures are passed on and not repeated at once, and a
repository offers what it does not load.

Method: a core in memory whose requests are numbers, over model files.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.python.repository.model_tree import IDENTITY, Fixture, write_model
from tritonpy.config.model_config import CoreModelConfig
from tritonpy.errors import InternalError, UnavailableError
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository import ModelRepository, ModelState


class Case:
    """A repository on demand."""

    def __init__(self, fixture: Fixture) -> None:
        self.fixture = fixture
        self.core = fixture.core
        self.demands = fixture.core.model_demands
        self._opened: list[ModelRepository] = []

    def open(
        self,
        *,
        pinned: tuple[str, ...] = (),
        budget: int = 0,
        mode: ControlMode = ControlMode.NONE,
        startup_models: tuple[str, ...] = (),
    ) -> ModelRepository:
        """Open and start it."""
        options = RepositoryOptions(
            paths=(self.fixture.root,),
            load_on_demand=True,
            pinned_models=pinned,
            memory_budget=budget,
            control_mode=mode,
            poll_interval_s=0,
            startup_models=startup_models,
        )
        repository = self.fixture.open(options=options)
        self._opened.append(repository)
        assert repository.load_all()
        return repository

    def close(self) -> None:
        """Close what was opened."""
        for repository in self._opened:
            repository.close()

    def ask(self, name: str) -> list[str]:
        """Let a request come; return what those who ever waited were told."""
        self.demands.ask(name)
        return self.demands.wait_until_answered(name)


@pytest.fixture
def case(fixture: Fixture) -> Iterator[Case]:
    """No repository is open yet; two identity models are on disk."""
    for name in ("a", "b"):
        write_model(fixture.root, name, config=IDENTITY)
    made = Case(fixture)
    yield made
    made.close()


def test_nothing_loads_before_it_is_asked_for(case: Case) -> None:
    repository = case.open()
    assert case.core.builds == []
    assert sorted(case.demands.models) == ["a", "b"]
    assert [entry.state for entry in repository.index()] == [None, None]
    assert case.ask("a") == ["ok"]
    assert case.ask("a") == ["ok"]
    assert case.core.builds == [("a", 1)]
    assert repository.is_ready(strict=True)


def test_pinned_models_load_at_start_and_are_not_on_demand(case: Case) -> None:
    case.open(pinned=("b",))
    assert case.core.builds == [("b", 1)]
    assert sorted(case.demands.models) == ["a"]


def test_a_pinned_model_that_there_is_not_fails_the_start(case: Case) -> None:
    options = RepositoryOptions(
        paths=(case.fixture.root,), load_on_demand=True, pinned_models=("nobody",)
    )
    repository = case.fixture.open(options=options)
    try:
        assert not repository.load_all()
    finally:
        repository.close()


def test_requests_that_come_while_a_model_loads_share_the_load(case: Case) -> None:
    loading, may_end = threading.Event(), threading.Event()

    def build(_: CoreModelConfig) -> None:
        loading.set()
        may_end.wait()

    case.core.on_build = build
    repository = case.open()
    for _ in range(3):
        case.demands.ask("a")
    loading.wait()
    wanted = repository.submit_wanted("a")
    assert wanted is not None
    assert repository.submit_wanted("a") is wanted
    may_end.set()
    wanted.result()
    assert case.demands.wait_until_answered("a") == ["ok"] * 3
    assert case.core.builds == [("a", 1)]
    assert repository.submit_wanted("a") is None
    assert repository.submit_wanted("nobody") is None


def test_a_failure_is_passed_on_with_ever_longer_pauses(case: Case) -> None:
    case.core.failures[("a", 1)] = [InternalError("no weights")] * 8
    repository = case.open()
    text = (
        "model 'a' could not be loaded: load failed for model 'a': version 1 is at UNAVAILABLE "
        "state: Internal: no weights;"
    )
    for _ in range(8):
        said = case.ask("a")
    assert said == [text] * 8
    assert case.demands.pauses_s == [1, 2, 4, 8, 16, 32, 60, 60]
    assert repository.is_ready(strict=True)  # the server is none the worse for it
    with pytest.raises(UnavailableError, match="no weights"):
        repository.submit_wanted("a")
    case.demands.models["a"].failure = ""  # the pause is over
    wanted = repository.submit_wanted("a")
    assert wanted is not None
    wanted.result()
    assert repository.on_demand is not None
    (_, loads), _ = repository.on_demand.counters()
    assert (loads.loads, loads.failures) == (1, 8)


def test_an_evicted_model_says_so_and_comes_back(case: Case) -> None:
    size = (case.fixture.root / "a" / "1" / "model.onnx").stat().st_size
    repository = case.open(budget=size)
    case.ask("a")
    assert repository.wait_until_idle(60)  # who waited is answered a moment before the load ends
    case.ask("b")
    assert case.demands.evictions == [("a", False)]
    (of_a,) = [entry for entry in repository.index() if entry.name == "a"]
    assert of_a.state is ModelState.UNAVAILABLE
    assert of_a.reason == "not in memory, is loaded when it is asked for"
    assert repository.is_ready(strict=True)
    assert case.ask("a") == ["ok", "ok"]
    assert case.core.builds == [("a", 1), ("b", 1), ("a", 1)]
    assert repository.on_demand is not None
    assert [loads.evictions for _, loads in repository.on_demand.counters()] == [1, 1]


def test_a_load_that_finds_nothing_changed_needs_no_room(case: Case) -> None:
    size = (case.fixture.root / "a" / "1" / "model.onnx").stat().st_size
    repository = case.open(budget=2 * size, mode=ControlMode.EXPLICIT)
    case.ask("a")
    case.ask("b")
    repository.load("a")
    assert case.demands.evictions == []
    assert case.core.builds == [("a", 1), ("b", 1)]


def test_a_config_that_a_load_call_brought_outlives_an_eviction(case: Case) -> None:
    size = (case.fixture.root / "a" / "1" / "model.onnx").stat().st_size
    repository = case.open(budget=size, mode=ControlMode.EXPLICIT)
    case.fixture.wall_ns = 2**62  # after the file on disk was written
    override = '{"backend": "identity", "maxBatchSize": 3, ' + ", ".join(
        f'"{field}": [{{"name": "x", "dataType": "TYPE_FP32", "dims": ["4"]}}]'
        for field in ("input", "output")
    )
    repository.load("a", {"config": override + "}"})
    case.ask("b")
    case.ask("a")
    assert case.core.serving["a"][1].config.max_batch_size == 3


def test_a_model_that_a_load_call_brought_whole_stays(case: Case) -> None:
    repository = case.open(budget=1000, mode=ControlMode.EXPLICIT)
    config = '{"backend": "identity", ' + ", ".join(
        f'"{field}": [{{"name": "x", "dataType": "TYPE_FP32", "dims": ["4"]}}]'
        for field in ("input", "output")
    )
    repository.load("c", {"config": config + "}", "file:1/model": b"x" * 990})
    assert "c" not in case.demands.models
    assert "the memory budget of 1000" in case.ask("a")[0] or case.demands.models["a"].is_in


def test_explicit_control_loads_what_is_named_and_offers_the_rest(case: Case) -> None:
    repository = case.open(mode=ControlMode.EXPLICIT, startup_models=("b",))
    assert case.core.builds == [("b", 1)]
    assert {name: one.is_in for name, one in case.demands.models.items()} == {"a": False, "b": True}
    repository.unload("b")
    assert sorted(case.demands.models) == ["a"]
    repository.load("b")
    assert case.demands.models["b"].is_in


def test_poll_mode_offers_what_is_new_and_loads_what_is_in_memory(case: Case) -> None:
    repository = case.open(mode=ControlMode.POLL)
    case.ask("a")
    write_model(case.fixture.root, "c", config=IDENTITY)
    for name in ("a", "b"):
        write_model(case.fixture.root, name, versions=(2,))
    while repository.poll():
        pass
    assert case.core.builds == [("a", 1), ("a", 2)]
    assert sorted(case.demands.models) == ["a", "b", "c"]
    assert case.ask("c") == ["ok"]


def test_the_file_of_a_wrong_config_is_said_when_the_model_is_asked_for(case: Case) -> None:
    write_model(case.fixture.root, "wrong", config="this is no config")
    repository = case.open()
    assert "failed to poll from model repository" in case.ask("wrong")[0]
    assert repository.is_ready(strict=True)


def test_a_repository_that_closes_refuses_who_asks(case: Case) -> None:
    repository = case.open()
    repository.begin_exit()
    wanted = repository.submit_wanted("a")
    assert wanted is not None
    with pytest.raises(UnavailableError, match="Server exiting"):
        wanted.result()


def test_a_bug_in_a_load_is_told_too(case: Case) -> None:
    def build(_: CoreModelConfig) -> None:
        raise RuntimeError("a bug")

    case.core.on_build = build
    case.open()
    assert "RuntimeError: a bug" in case.ask("a")[0]
