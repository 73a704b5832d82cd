"""Goal: a reload changes what serves all at once or not at all. Method: a fake core that fails."""

from __future__ import annotations

import json
import shutil
import threading
import weakref
from collections.abc import Sequence

import pytest

from tests.python.repository.fake_core import FakeModel
from tests.python.repository.model_tree import IDENTITY, Fixture, touch, write_model
from tritonpy.config.model_config import CoreModelConfig
from tritonpy.errors import InternalError, InvalidArgError, UnavailableError
from tritonpy.repository import IndexEntry, ModelState

_LONG_S = 60.0
_ALL = "version_policy: { all {} }"
_POLL_FAILED = "failed to load 'm', failed to poll from model repository: "


def _override(max_batch_size: int) -> str:
    return json.dumps(
        {
            "backend": "identity",
            "max_batch_size": max_batch_size,
            "input": [{"name": "x", "data_type": "type_fp32", "dims": [4]}],
            "output": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}],
        }
    )


def test_an_unchanged_model_is_left_alone(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load("m")
    before = len(fixture.core.publishes)
    repository.load("m")
    assert fixture.core.builds == [("m", 1)]
    assert len(fixture.core.publishes) == before


@pytest.mark.parametrize("file", ["1/model.onnx", "labels.txt", ".config.pbtxt.swp"])
def test_a_changed_file_is_loaded_again(fixture: Fixture, file: str) -> None:
    directory = write_model(fixture.root, "m")
    (directory / "labels.txt").write_text("cat")
    repository = fixture.open()
    repository.load("m")
    (directory / file).write_text("something else")
    repository.load("m")
    assert fixture.core.builds == [("m", 1)] * 2


def test_a_new_version_is_built_before_the_old_one_is_taken_out(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load_all()
    repository.load("m")
    write_model(fixture.root, "m", [2])
    repository.load("m")
    assert fixture.core.publishes == [("m", (1,), ()), ("m", (2,), ()), ("m", (), (1,))]
    assert repository.index() == [
        IndexEntry("m", 1, ModelState.UNAVAILABLE, "unloaded"),
        IndexEntry("m", 2, ModelState.READY),
    ]
    assert repository.served("m").version == 2
    assert repository.is_ready(strict=True)


def test_a_changed_policy_leaves_other_versions_untouched(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", [1, 2, 3], _ALL)
    repository = fixture.open()
    repository.load("m")
    (directory / "config.pbtxt").write_text("version_policy: { specific { versions: [ 1, 3 ] } }")
    repository.load("m")
    assert fixture.core.builds == [("m", 1), ("m", 2), ("m", 3)]
    assert repository.ready_versions("m") == (1, 3)
    assert list(repository.served("m", 1).config.version_policy.specific.versions) == [1, 3]


def test_a_failed_reload_keeps_the_old_version_serving(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load("m")
    write_model(fixture.root, "m", [2])
    fixture.core.failures["m", 2] = [InternalError("GPU instances not supported")]
    with pytest.raises(InvalidArgError) as failure:
        repository.load("m")
    assert failure.value.message == (
        "load failed for model 'm': version 2 is at UNAVAILABLE state: Internal: GPU instances "
        "not supported;\n"
    )
    assert repository.served("m").version == 1
    assert repository.index() == [
        IndexEntry("m", 1, ModelState.READY),
        IndexEntry("m", 2, ModelState.UNAVAILABLE, "Internal: GPU instances not supported"),
    ]
    with pytest.raises(UnavailableError, match="'m' version 2 is not at ready state"):
        repository.served("m", 2)


def test_a_failed_replacement_of_the_same_version_leaves_it_ready(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load_all()
    repository.load("m")
    old = repository.served("m")
    (directory / "1" / "model.onnx").write_text("worse")
    fixture.core.failures["m", 1] = [InternalError("no")]
    with pytest.raises(InvalidArgError, match="version 1 is at UNAVAILABLE state: Internal: no;"):
        repository.load("m")
    assert repository.index() == [IndexEntry("m", 1, ModelState.READY)]
    assert repository.served("m") == old
    assert repository.is_ready(strict=True)


def test_one_failed_version_keeps_back_the_others(fixture: Fixture) -> None:
    write_model(fixture.root, "m", [1, 2, 3], _ALL)
    fixture.core.failures["m", 2] = [InternalError("two")]
    fixture.core.failures["m", 3] = [InternalError("three")]
    repository = fixture.open()
    with pytest.raises(InvalidArgError) as failure:
        repository.load("m")
    assert failure.value.message == (
        "load failed for model 'm': version 2 is at UNAVAILABLE state: Internal: two;\n"
        "version 3 is at UNAVAILABLE state: Internal: three;\n"
    )
    assert fixture.core.publishes == []
    assert [entry.reason for entry in repository.index()] == [
        "unloaded",
        "Internal: two",
        "Internal: three",
    ]


def test_what_failed_counts_no_more_once_it_is_not_chosen(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load_all()
    repository.load("m")
    write_model(fixture.root, "m", [2])
    fixture.core.failures["m", 2] = [InternalError("no")]
    with pytest.raises(InvalidArgError):
        repository.load("m")
    assert not repository.is_ready(strict=True)
    shutil.rmtree(directory / "2")
    repository.load("m")
    assert repository.is_ready(strict=True)


def test_a_failed_load_is_tried_again_by_the_next_call(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    fixture.core.failures["m", 1] = [InternalError("no")]
    repository = fixture.open()
    with pytest.raises(InvalidArgError):
        repository.load("m")
    repository.load("m")
    assert repository.ready_versions("m") == (1,)


def test_a_broken_config_keeps_the_old_version_serving(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY)
    repository = fixture.open()
    repository.load("m")
    (directory / "config.pbtxt").write_text("max_batch_size: many")
    with pytest.raises(InternalError) as failure:
        repository.load("m")
    assert failure.value.message.startswith(_POLL_FAILED)
    assert repository.index() == [IndexEntry("m", 1, ModelState.READY)]
    assert repository.served("m").config.max_batch_size == 8


def test_versions_that_vanish_keep_serving_until_there_is_one_to_replace_them(
    fixture: Fixture,
) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY)
    repository = fixture.open()
    repository.load("m")
    shutil.rmtree(directory / "1")
    with pytest.raises(InternalError, match="failed to load 'm', no version is available"):
        repository.load("m")
    assert repository.served("m").version == 1


def test_old_versions_serve_and_the_index_answers_while_a_load_runs(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load("m")
    write_model(fixture.root, "m", [2])
    building, gate = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        building.set()
        gate.wait(_LONG_S)

    fixture.core.on_build = hold
    load = repository.submit_load("m")
    assert building.wait(_LONG_S)
    assert repository.index() == [
        IndexEntry("m", 1, ModelState.READY),
        IndexEntry("m", 2, ModelState.LOADING),
    ]
    assert repository.served("m").version == 1
    gate.set()
    load.result(_LONG_S)
    assert repository.served("m").version == 2


def test_a_version_is_unloading_while_its_last_requests_run(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    repository.load("m")
    write_model(fixture.root, "m", [2])
    states: list[list[ModelState | None]] = []

    def look(_name: str, _added: Sequence[int], retired: Sequence[int]) -> None:
        if retired:
            states.append([entry.state for entry in repository.index()])

    fixture.core.on_publish = look
    repository.load("m")
    assert states == [[ModelState.UNLOADING, ModelState.READY]]


def test_a_new_version_is_ready_while_a_replaced_one_drains(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY + _ALL)
    repository = fixture.open()
    repository.load("m")
    write_model(fixture.root, "m", [2])
    (directory / "1" / "model.onnx").write_text("better")
    states: list[list[ModelState | None]] = []

    def look(_name: str, added: Sequence[int], _retired: Sequence[int]) -> None:
        if 1 in added:  # the core would block here until the old version 1 is idle
            states.append([entry.state for entry in repository.index()])

    fixture.core.on_publish = look
    repository.load("m")
    assert states == [[ModelState.READY, ModelState.READY]]
    assert fixture.core.publishes[1:] == [("m", (2,), ()), ("m", (1,), ())]


def test_built_versions_of_a_failed_load_are_freed_on_the_loader_thread(fixture: Fixture) -> None:
    write_model(fixture.root, "m", [1, 2, 3], _ALL)
    fixture.core.failures["m", 3] = [InternalError("no")]
    freed: list[str] = []
    build = fixture.core.build_model

    def build_and_watch(config: CoreModelConfig) -> FakeModel:
        model = build(config)
        weakref.finalize(model, lambda: freed.append(threading.current_thread().name))
        return model

    fixture.core.build_model = build_and_watch  # type: ignore[method-assign]
    load = fixture.open().submit_load("m")
    error = load.exception(_LONG_S)  # keeps the frames of the load alive
    assert isinstance(error, InvalidArgError)
    assert len(freed) == 2
    assert all(name.startswith("loader") for name in freed)


def test_configs_are_known_of_every_version_that_the_core_serves(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    served: list[list[int]] = []

    def look(name: str, _added: Sequence[int], _retired: Sequence[int]) -> None:
        versions = fixture.core.serving[name]
        served.append([repository.served(name, version).version for version in versions])

    fixture.core.on_publish = look
    repository.load("m")
    write_model(fixture.root, "m", [2])
    repository.load("m")
    assert served == [[1], [1, 2], [2]]


def test_a_config_given_with_the_load_is_used_and_forces_it(fixture: Fixture) -> None:
    write_model(fixture.root, "m", config=IDENTITY)
    repository = fixture.open()
    repository.load("m")
    repository.load("m", {"config": _override(2)})
    assert repository.served("m").config.max_batch_size == 2
    repository.load("m", {"config": _override(2)})
    assert fixture.core.builds == [("m", 1)] * 3


def test_a_given_config_stays_until_the_file_is_newer(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY)
    touch(directory / "config.pbtxt", fixture.wall_ns - 1)
    repository = fixture.open()
    repository.load("m", {"config": _override(2)})
    repository.load("m")
    assert repository.served("m").config.max_batch_size == 2
    touch(directory / "config.pbtxt", fixture.wall_ns + 1)
    repository.load("m")
    assert repository.served("m").config.max_batch_size == 8


def test_a_given_config_ends_with_the_unload(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY)
    touch(directory / "config.pbtxt", fixture.wall_ns - 1)
    repository = fixture.open()
    repository.load("m", {"config": _override(2)})
    repository.unload("m")
    repository.load("m")
    assert repository.served("m").config.max_batch_size == 8


def test_a_given_config_that_fails_is_forgotten(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY)
    touch(directory / "config.pbtxt", fixture.wall_ns - 1)
    repository = fixture.open()
    repository.load("m")
    fixture.core.failures["m", 1] = [InternalError("no")]
    with pytest.raises(InvalidArgError):
        repository.load("m", {"config": _override(2)})
    repository.load("m")
    assert repository.served("m").config.max_batch_size == 8
    assert len(fixture.core.builds) == 2


@pytest.mark.parametrize("config", ["{", '{"no_such_field": 1}', '{"platform": "ensemble"}'])
def test_a_given_config_that_is_wrong_is_a_failed_poll(fixture: Fixture, config: str) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open()
    with pytest.raises(InternalError) as failure:
        repository.load("m", {"config": config})
    assert failure.value.message.startswith(_POLL_FAILED)
    assert any(error.startswith("Poll failed for model") for error in fixture.log.errors)
