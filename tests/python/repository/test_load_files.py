"""Goal: a load call may bring a model's files, which serve until the next load and touch no others.

Method: a fake core, whose builds tell which files there are while they last.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python.repository.model_tree import IDENTITY, Fixture, write_model
from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.repository import IndexEntry, ModelState, ParameterValue

_CONFIG = '{"backend": "onnxruntime"}'
_ONE: dict[str, ParameterValue] = {"config": _CONFIG, "file:1/model.onnx": b"given"}


def _path(fixture: Fixture, name: str, version: int) -> Path:
    """Return the file that a version was built from."""
    return Path(fixture.core.serving[name][version].config.model_path)


def test_a_name_without_a_directory_is_served_from_the_call(fixture: Fixture) -> None:
    repository = fixture.open()
    repository.load("m", {**_ONE, "file:3/model.onnx": b"newer"})
    assert repository.index() == [IndexEntry("m", 3, ModelState.READY)]
    file = _path(fixture, "m", 3)
    assert file.read_bytes() == b"newer"
    assert not list(fixture.root.iterdir())
    repository.unload("m")
    assert not file.parents[2].exists()
    with pytest.raises(InternalError, match="model not found in any model repository"):
        repository.load("m")


def test_files_of_the_call_stand_in_for_everything_on_disk(fixture: Fixture) -> None:
    write_model(fixture.root, "m", [1, 7])
    repository = fixture.open()
    repository.load("m")
    repository.load("m", _ONE)
    assert repository.ready_versions("m") == (1,)
    assert _path(fixture, "m", 1).read_bytes() == b"given"


def test_the_next_load_without_files_goes_back_to_disk(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY)
    repository = fixture.open()
    repository.load("m", _ONE)
    temporary = _path(fixture, "m", 1).parents[2]
    assert temporary.exists()
    repository.load("m")
    assert repository.served("m").config.backend == "identity"
    assert not temporary.exists()
    assert (directory / "1" / "model.onnx").exists()


def test_a_second_override_replaces_the_first(fixture: Fixture) -> None:
    repository = fixture.open()
    repository.load("m", _ONE)
    first = _path(fixture, "m", 1)
    repository.load("m", {**_ONE, "file:1/model.onnx": b"second"})
    assert _path(fixture, "m", 1).read_bytes() == b"second"
    assert not first.exists()


def test_a_failed_override_leaves_what_serves_and_no_files(
    fixture: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load("m")
    before = fixture.core.serving["m"][1]
    fixture.core.failures["m", 1] = [InternalError("no")]
    with pytest.raises(InvalidArgError, match="version 1 is at UNAVAILABLE state: Internal: no"):
        repository.load("m", _ONE)
    assert fixture.core.serving["m"][1] is before
    assert not list(place.iterdir())


@pytest.mark.parametrize("path", ["../x", "1/../../x", "/x", "", "1/a\0b"])
def test_a_path_that_leads_elsewhere_is_refused(fixture: Fixture, path: str) -> None:
    with pytest.raises(InternalError) as failure:
        fixture.open().load("m", {**_ONE, f"file:{path}": b""})
    assert failure.value.message == (
        "failed to load 'm', failed to poll from model repository: "
        f"file override '{path}' is outside of the model's directory"
    )


def test_files_that_cannot_lie_beside_each_other_are_refused(fixture: Fixture) -> None:
    with pytest.raises(InternalError, match="failed to write file override: "):
        fixture.open().load("m", {**_ONE, "file:1/model.onnx/inside": b""})


def test_closing_removes_the_files(fixture: Fixture) -> None:
    repository = fixture.open()
    repository.load("m", _ONE)
    file = _path(fixture, "m", 1)
    repository.close()
    assert not file.exists()


def test_an_ensemble_serves_with_a_model_that_a_call_brought(fixture: Fixture) -> None:
    write_model(
        fixture.root,
        "whole",
        config='platform: "ensemble" max_batch_size: 8 '
        "input [ { name: 'x' data_type: TYPE_FP32 dims: [ 4 ] } ] "
        "output [ { name: 'z' data_type: TYPE_FP32 dims: [ 2 ] } ] "
        'ensemble_scheduling { step { model_name: "part" model_version: -1 '
        'input_map { key: "x" value: "x" } output_map { key: "y" value: "z" } } }',
    )
    repository = fixture.open()
    config = '{"backend": "onnxruntime", "max_batch_size": 8}'
    repository.load("part", {"config": config, "file:1/model.onnx": b"x"})
    repository.load("whole")
    assert repository.ready_versions("whole") == (1,)
    repository.load("part", {"config": config, "file:1/model.onnx": b"y"})
    assert repository.ready_versions("whole") == (1,)
    assert _path(fixture, "part", 1).read_bytes() == b"y"
    repository.unload("part")
    assert repository.ready_versions("whole") == ()
