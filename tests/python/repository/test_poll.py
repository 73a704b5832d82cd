"""Goal: poll mode follows the files, and never loads what is still being written.

Method: a fake core and files that the test writes; the test takes every look itself.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.python.repository.fake_core import RecordingLog
from tests.python.repository.model_tree import IDENTITY, Fixture, write_model
from tritonpy.errors import InternalError, UnavailableError
from tritonpy.repository import IndexEntry, ModelRepository, ModelState
from tritonpy.repository.poll_thread import PollThread

_ALL = "version_policy: { all {} }"


def _settle(repository: ModelRepository) -> None:
    """Look twice: a change is seen, and then seen to hold still."""
    assert repository.poll()
    assert not repository.poll()


def test_without_a_change_nothing_happens(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open_polling()
    assert not repository.poll()
    assert fixture.core.builds == [("m", 1)]


def test_a_new_model_is_loaded_once_it_holds_still(fixture: Fixture) -> None:
    repository = fixture.open_polling()
    directory = write_model(fixture.root, "m")
    assert repository.poll()
    assert fixture.core.builds == []
    (directory / "1" / "model.onnx").write_text("more of it")
    assert repository.poll()
    assert fixture.core.builds == []
    assert not repository.poll()
    assert repository.ready_versions("m") == (1,)
    assert not repository.poll()
    assert fixture.core.builds == [("m", 1)]


def test_a_file_that_is_open_for_writing_is_waited_for(fixture: Fixture) -> None:
    repository = fixture.open_polling()
    directory = write_model(fixture.root, "m", [])
    (directory / "1").mkdir()
    with (directory / "1" / "model.onnx").open("w") as half:
        half.write("half of")
        half.flush()
        for _ in "123":
            assert repository.poll()
    assert fixture.core.builds == []
    assert not repository.poll()  # closing changed nothing
    assert repository.ready_versions("m") == (1,)


def test_a_model_that_is_being_written_at_start_is_loaded_later(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m")
    write_model(fixture.root, "whole")
    with (directory / "1" / "model.onnx").open("a") as half:
        half.write("more")
        half.flush()
        repository = fixture.open_polling()
        assert fixture.core.builds == [("whole", 1)]
    _settle(repository)
    assert repository.ready_versions("m") == (1,)


def test_versions_are_added_and_taken_out(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", [1], _ALL)
    repository = fixture.open_polling()
    write_model(fixture.root, "m", [2])
    _settle(repository)
    assert repository.ready_versions("m") == (1, 2)
    shutil.rmtree(directory / "1")
    _settle(repository)
    assert repository.ready_versions("m") == (2,)
    assert fixture.core.builds == [("m", 1), ("m", 2)]


def test_a_model_that_is_gone_is_unloaded_and_may_come_back(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m")
    repository = fixture.open_polling()
    shutil.rmtree(directory)
    assert repository.poll()
    assert repository.ready_versions("m") == (1,)  # who replaces it may be at work
    assert not repository.poll()
    assert repository.index() == [IndexEntry("m", 1, ModelState.UNAVAILABLE, "unloaded")]
    write_model(fixture.root, "m")
    _settle(repository)
    assert repository.ready_versions("m") == (1,)


def test_a_config_that_breaks_leaves_the_old_model_serving(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY)
    repository = fixture.open_polling()
    (directory / "config.pbtxt").write_text("no config at all {")
    _settle(repository)
    assert repository.ready_versions("m") == (1,)
    (directory / "config.pbtxt").write_text(IDENTITY.replace("8", "4"))
    _settle(repository)
    assert repository.served("m").config.max_batch_size == 4


def test_a_model_that_failed_is_tried_again_only_when_it_changes(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m")
    fixture.core.failures["m", 1] = [InternalError("no")]
    repository = fixture.open_polling()
    assert not repository.poll()
    assert fixture.core.builds == [("m", 1)]
    (directory / "1" / "model.onnx").write_text("repaired")
    _settle(repository)
    assert repository.ready_versions("m") == (1,)


def test_a_version_behind_a_link_is_watched_where_it_is(fixture: Fixture, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.onnx").write_text("one")
    directory = write_model(fixture.root, "m", [])
    (directory / "1").symlink_to(weights)
    repository = fixture.open_polling()
    (weights / "model.onnx").write_text("another")
    _settle(repository)
    assert fixture.core.builds == [("m", 1)] * 2


def test_a_repository_that_cannot_be_read_takes_nothing_out(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open_polling()
    aside = fixture.root.with_name("aside")
    fixture.root.rename(aside)
    for _ in "12":
        assert not repository.poll()
    assert repository.ready_versions("m") == (1,)
    aside.rename(fixture.root)
    assert not repository.poll()
    assert fixture.core.builds == [("m", 1)]


def test_a_name_in_two_repositories_loads_once_one_is_gone(
    fixture: Fixture, tmp_path: Path
) -> None:
    write_model(fixture.root, "m")
    other = write_model(tmp_path / "other", "m")
    repository = fixture.open_polling(tmp_path / "other")
    reason = "model appears in two or more repositories"
    assert repository.index() == [IndexEntry("m", None, ModelState.UNAVAILABLE, reason)]
    shutil.rmtree(other)
    _settle(repository)
    assert repository.index() == [IndexEntry("m", 1, ModelState.READY)]


def test_an_ensemble_follows_the_model_that_it_needs(fixture: Fixture) -> None:
    step = """
        step { model_name: "part" model_version: -1
               input_map { key: "x" value: "x" } output_map { key: "x" value: "y" } }
    """
    write_model(
        fixture.root,
        "whole",
        config='platform: "ensemble" max_batch_size: 8 '
        'input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ] '
        'output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ] '
        f"ensemble_scheduling {{ {step} }}",
    )
    repository = fixture.open_polling()
    assert repository.ready_versions("whole") == ()
    part = write_model(fixture.root, "part", config=IDENTITY)
    _settle(repository)
    assert repository.ready_versions("whole") == (1,)
    shutil.rmtree(part)
    _settle(repository)
    assert repository.ready_versions("whole") == ()
    write_model(fixture.root, "part", config=IDENTITY)
    _settle(repository)
    assert repository.ready_versions("whole") == (1,)


def test_files_that_nobody_may_read_are_no_reason_to_wait(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = fixture.open_polling()
    write_model(fixture.root, "m")

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    _settle(repository)
    assert repository.ready_versions("m") == (1,)


def test_poll_mode_refuses_load_and_unload(fixture: Fixture) -> None:
    repository = fixture.open_polling()
    for call in (repository.load, repository.unload):
        with pytest.raises(UnavailableError) as refusal:
            call("m")
        assert refusal.value.message == (
            "explicit model load / unload is not allowed if polling is enabled"
        )


def test_the_thread_looks_until_it_is_stopped() -> None:
    looks: list[int] = []

    def look() -> bool:
        looks.append(1)
        if len(looks) == 3:
            thread.ask_to_stop()
        return len(looks) == 1

    thread = PollThread(look, 0, RecordingLog())
    thread.start()
    thread.join()
    assert len(looks) == 3


def test_a_look_that_raises_is_logged_and_another_one_comes() -> None:
    log = RecordingLog()
    looks: list[int] = []

    def look() -> bool:
        looks.append(1)
        if len(looks) == 1:
            raise KeyError("bug")
        thread.ask_to_stop()
        return False

    thread = PollThread(look, 0, log)
    thread.start()
    thread.join()
    assert len(looks) == 2
    assert log.errors == ["looking at the model repositories failed: KeyError: 'bug'"]


def test_a_thread_that_never_started_is_joined_at_once() -> None:
    thread = PollThread(lambda: False, 3600, RecordingLog())
    thread.ask_to_stop()
    thread.join()
