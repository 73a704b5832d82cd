"""Goal: models of one name in several repositories load, change and go apart from each other.

Method: two repositories on disk over a fake core, which is told identifiers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python.repository.fake_core import RecordingLog
from tests.python.repository.model_tree import IDENTITY, Fixture, write_model
from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository import IndexEntry, ModelRepository, ModelState
from tritonpy.repository.layout import RepositoryLayout

_ENSEMBLE = """
platform: "ensemble" max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]
ensemble_scheduling { step [ { model_name: "m" model_version: -1 model_namespace: "nowhere"
    input_map { key: "x" value: "x" } output_map { key: "x" value: "y" } } ] }
"""


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A second repository."""
    path = tmp_path / "other"
    path.mkdir()
    return path


def _open(
    fixture: Fixture, other: Path, mode: ControlMode = ControlMode.EXPLICIT
) -> ModelRepository:
    options = RepositoryOptions(
        paths=(fixture.root, other),
        control_mode=mode,
        poll_interval_s=0,
        startup_models=("*",) if mode is ControlMode.EXPLICIT else (),
        model_namespacing=True,
    )
    repository = fixture.open(options=options)
    repository.load_all()
    return repository


def test_a_name_has_a_place_in_each_repository(fixture: Fixture, other: Path) -> None:
    for repository, name in ((fixture.root, "m"), (other, "m"), (other, "n")):
        write_model(repository, name)
    layout = RepositoryLayout((fixture.root, other), RecordingLog(), namespacing=True)
    assert list(layout.models()) == sorted(
        [f"{fixture.root}/m", f"{other}/m", f"{other}/n"],
    )
    assert [place.path for place in layout.named("m")] == [fixture.root / "m", other / "m"]
    assert [place.path for place in layout.locate(f"{other}/m")] == [other / "m"]
    assert layout.locate("m") == layout.locate(f"{other}/../{other.name}/m") == ()


def test_steps_are_looked_for_at_home_and_then_where_there_is_no_choice(
    fixture: Fixture, other: Path
) -> None:
    for repository, name in ((fixture.root, "m"), (other, "m"), (other, "n")):
        write_model(repository, name)
    layout = RepositoryLayout((fixture.root, other), RecordingLog(), namespacing=True)
    assert layout.namespace_for("m", str(other)) == str(other)
    assert layout.namespace_for("n", str(fixture.root)) == str(other)
    assert layout.namespace_for("m", "elsewhere") == layout.namespace_for("nobody", "") == ""


def test_namesakes_are_all_loaded_listed_and_unloaded(fixture: Fixture, other: Path) -> None:
    write_model(fixture.root, "m", [1])
    write_model(other, "m", [2])
    repository = _open(fixture, other)
    ready = [IndexEntry("m", version, ModelState.READY) for version in (1, 2)]
    assert sorted(repository.index(), key=lambda entry: entry.version or 0) == ready
    assert [(one.name, one.namespace) for one in repository.served_versions("m")] == sorted(
        [("m", str(fixture.root)), ("m", str(other))]
    )
    repository.unload("m")
    assert repository.ready_versions("m") == ()
    assert {entry.reason for entry in repository.index()} == {"unloaded"}
    write_model(other, "m", [2, 3])
    repository.load("m")
    assert set(repository.ready_versions("m")) == {1, 3}


def test_a_load_of_a_name_fails_where_one_of_its_models_does(fixture: Fixture, other: Path) -> None:
    write_model(fixture.root, "m", config="zz: 1")
    write_model(other, "m")
    repository = _open(fixture, other)
    with pytest.raises(InternalError, match=f"failed to load '{fixture.root}/m', failed to poll"):
        repository.load("m")
    assert [one.namespace for one in repository.all_served()] == [str(other)]


def test_files_of_a_call_touch_no_repository(fixture: Fixture, other: Path) -> None:
    file = write_model(fixture.root, "m") / "1" / "model.onnx"
    repository = _open(fixture, other)
    repository.load("m", {"config": '{"backend": "onnxruntime"}', "file:1/model.onnx": b"given"})
    assert file.read_text() == "m 1"
    served = fixture.core.serving[f"{fixture.root}/m"][1].config.model_path
    assert Path(served).read_bytes() == b"given"


def test_polling_sees_each_of_them(fixture: Fixture, other: Path) -> None:
    first = write_model(fixture.root, "m")
    repository = _open(fixture, other, ControlMode.POLL)
    write_model(other, "m", [5])
    repository.poll()
    repository.poll()
    assert set(repository.ready_versions("m")) == {1, 5}
    first.rename(fixture.root / ".gone")
    repository.poll()
    repository.poll()
    assert repository.ready_versions("m") == (5,)


def test_a_step_goes_to_the_model_of_its_own_repository(fixture: Fixture, other: Path) -> None:
    for repository in (fixture.root, other):
        write_model(repository, "m", config=IDENTITY)
        write_model(repository, "e", config=_ENSEMBLE)
    _open(fixture, other)
    for namespace in (fixture.root, other):
        ensemble = fixture.core.serving[f"{namespace}/e"][1].config.ensemble
        assert ensemble is not None
        assert [step.model_name for step in ensemble.steps] == [f"{namespace}/m"]


def test_a_step_that_leaves_a_choice_is_refused(
    fixture: Fixture, other: Path, tmp_path: Path
) -> None:
    third = tmp_path / "third"
    write_model(third, "e", config=_ENSEMBLE)
    for repository in (fixture.root, other):
        write_model(repository, "m", config=IDENTITY)
    options = RepositoryOptions(
        paths=(fixture.root, other, third),
        control_mode=ControlMode.EXPLICIT,
        model_namespacing=True,
    )
    with pytest.raises(
        InvalidArgError, match="contains models that are not available or ambiguous: m"
    ):
        fixture.open(options=options).load("e")


def test_without_the_option_a_namespace_in_a_config_means_nothing(fixture: Fixture) -> None:
    write_model(fixture.root, "m", config=IDENTITY)
    write_model(fixture.root, "e", config=_ENSEMBLE)
    repository = fixture.open()
    repository.load("e")
    assert repository.ready_versions("e") == (1,)
