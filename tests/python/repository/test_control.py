"""Goal: load and unload are allowed, refused and named as in Triton. Method: a fake core."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from tests.python.repository.model_tree import Fixture, write_model
from tritonpy.errors import (
    InternalError,
    InvalidArgError,
    NotFoundError,
    TritonError,
    UnavailableError,
)
from tritonpy.repository import IndexEntry, ModelState, ParameterValue
from tritonpy.repository.lifecycle import Lifecycle, ModelStatus

_LONG_S = 60.0
_REFUSED = "explicit model load / unload is not allowed if polling is enabled"
_DUPLICATE = "model appears in two or more repositories"


def test_without_explicit_control_loads_and_unloads_are_refused(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open(explicit=False)
    repository.load_all()
    for call in (repository.load, repository.unload):
        with pytest.raises(UnavailableError) as refusal:
            call("m")
        assert refusal.value.message == _REFUSED
    assert repository.ready_versions("m") == (1,)


def test_an_unknown_model_cannot_be_loaded(fixture: Fixture) -> None:
    repository = fixture.open()
    with pytest.raises(InternalError) as failure:
        repository.load("absent")
    assert failure.value.message == (
        "failed to load 'absent', failed to poll from model repository: model not found in any "
        "model repository"
    )
    assert repository.index() == []


@pytest.mark.parametrize("name", ["", "   ", "\t"])
def test_an_empty_name_is_refused(fixture: Fixture, name: str) -> None:
    with pytest.raises(InvalidArgError) as refusal:
        fixture.open().load(name)
    assert refusal.value.message == (
        "Model name cannot be empty. Please enter a valid name to deploy."
    )


@pytest.mark.parametrize("name", ["../m", "a/b", "..", "/etc", "m/.."])
def test_a_name_that_leads_elsewhere_is_refused_by_load_but_not_by_unload(
    fixture: Fixture, name: str
) -> None:
    repository = fixture.open()
    with pytest.raises(InvalidArgError) as refusal:
        repository.load(name)
    assert refusal.value.message == (
        f"invalid model name '{name}', model name must not contain path traversal characters"
    )
    repository.unload(name)


def test_dots_inside_a_name_are_allowed(fixture: Fixture) -> None:
    write_model(fixture.root, "net.v1.2")
    repository = fixture.open()
    repository.load("net.v1.2")
    assert repository.ready_versions("net.v1.2") == (1,)


def test_an_unloaded_model_stays_in_the_index(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load_all()
    repository.load("m")
    repository.unload("m", {"unload_dependents": True})
    assert repository.index() == [IndexEntry("m", 1, ModelState.UNAVAILABLE, "unloaded")]
    assert repository.index(ready_only=True) == []
    assert repository.all_served() == []
    assert repository.is_ready(strict=True)
    with pytest.raises(NotFoundError, match="'m' has no available versions"):
        repository.served("m")
    repository.load("m")
    assert repository.served("m").version == 1


def test_unloading_a_failed_model_makes_the_server_ready_again(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    write_model(fixture.root, "n", config="nonsense")
    fixture.core.failures["m", 1] = [InternalError("no")]
    repository = fixture.open()
    repository.load_all()
    for name in ("m", "n"):
        with pytest.raises(TritonError):
            repository.load(name)
    assert not repository.is_ready(strict=True)
    repository.unload("m")
    repository.unload("n")
    assert repository.is_ready(strict=True)
    assert repository.index() == [
        IndexEntry("m", 1, ModelState.UNAVAILABLE, "unloaded"),
        IndexEntry("n"),
    ]


def test_an_unload_waits_until_the_last_request_is_answered(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load("m")
    draining, gate = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        draining.set()
        gate.wait(_LONG_S)

    fixture.core.on_publish = hold
    unload = repository.submit_unload("m")
    assert draining.wait(_LONG_S)
    assert repository.index() == [IndexEntry("m", 1, ModelState.UNLOADING)]
    assert not unload.done()
    gate.set()
    unload.result(_LONG_S)
    assert repository.index() == [IndexEntry("m", 1, ModelState.UNAVAILABLE, "unloaded")]


def test_calls_for_one_model_take_turns(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    building, gate = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        building.set()
        gate.wait(_LONG_S)

    fixture.core.on_build = hold
    calls = [repository.submit_load("m")]
    assert building.wait(_LONG_S)
    calls += [repository.submit_unload("m"), repository.submit_load("m")]
    calls += [repository.submit_unload("m")]
    gate.set()
    for call in calls:
        call.result(_LONG_S)
    assert fixture.core.publishes == [("m", (1,), ()), ("m", (), (1,))] * 2


def test_a_name_in_two_repositories_loads_once_the_other_is_gone(
    fixture: Fixture, tmp_path: Path
) -> None:
    write_model(fixture.root, "m")
    other = write_model(tmp_path / "other", "m")
    repository = fixture.open(others=(tmp_path / "other",))
    with pytest.raises(InternalError, match=f"repository: {_DUPLICATE}"):
        repository.load("m")
    assert repository.index() == [IndexEntry("m", None, ModelState.UNAVAILABLE, _DUPLICATE)]
    shutil.rmtree(other)
    assert repository.index() == [IndexEntry("m")]
    repository.load("m")
    assert repository.index() == [IndexEntry("m", 1, ModelState.READY)]


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        (
            {"file:1/model.onnx": b"x"},
            InvalidArgError,
            "Load parameter 'config' must be specified for model file override",
        ),
        (
            {"file:1/model.onnx": "x", "config": "{}"},
            InvalidArgError,
            "Unrecognized load parameter 'file:1/model.onnx' with type 'STRING'",
        ),
        ({"x": 1}, InvalidArgError, "Unrecognized load parameter 'x' with type 'INT'"),
        ({"x": True}, InvalidArgError, "Unrecognized load parameter 'x' with type 'BOOL'"),
        ({"config": 1}, InvalidArgError, "Unrecognized load parameter 'config' with type 'INT'"),
    ],
)
def test_load_parameters_that_are_refused(
    fixture: Fixture,
    parameters: dict[str, ParameterValue],
    error: type[TritonError],
    text: str,
) -> None:
    write_model(fixture.root, "m")
    with pytest.raises(error) as refusal:
        fixture.open().load("m", parameters)
    assert refusal.value.message == text


def test_unload_parameters_that_are_refused(fixture: Fixture) -> None:
    with pytest.raises(InvalidArgError) as refusal:
        fixture.open().unload("m", {"unload_dependents": "yes"})
    assert refusal.value.message == (
        "Unrecognized unload parameter 'unload_dependents' with type 'STRING'"
    )


def test_the_index_names_loaded_models_of_a_repository_that_vanished(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    write_model(fixture.root, "n")
    repository = fixture.open()
    repository.load("m")
    shutil.rmtree(fixture.root)
    for _ in "xy":
        assert repository.index() == [IndexEntry("m", 1, ModelState.READY)]
    assert len(fixture.log.warnings) == 1


def test_served_versions_are_those_of_one_model_that_are_ready(fixture: Fixture) -> None:
    write_model(fixture.root, "m", [2, 1, 3], "version_policy: { specific { versions: [ 1, 3 ] } }")
    write_model(fixture.root, "n")
    repository = fixture.open()
    assert repository.served_versions("m") == []
    repository.load("m")
    repository.load("n")
    assert [served.version for served in repository.served_versions("m")] == [1, 3]
    assert repository.served_versions("absent") == []
    repository.unload("m")
    assert repository.served_versions("m") == []


def test_what_concerns_one_model_does_not_look_at_the_others(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load("m")

    def refuse(_: Lifecycle) -> dict[str, ModelStatus]:
        raise AssertionError("the whole table was copied")

    monkeypatch.setattr(Lifecycle, "snapshot", refuse)
    assert repository.ready_versions("m") == (1,)
    assert [served.version for served in repository.served_versions("m")] == [1]


def test_an_exiting_server_loads_and_unloads_nothing(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.begin_exit()
    for call in (repository.load, repository.unload):
        with pytest.raises(UnavailableError, match="Server exiting"):
            call("m")
