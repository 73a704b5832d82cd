"""Goal: a config that is another only in its instances changes those where the model serves.

Method: repositories on disk over a fake core that counts what it builds and what it changes.
"""

from __future__ import annotations

import json

import pytest

from tests.python.repository.model_tree import IDENTITY, Fixture, touch, write_model
from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.repository import ModelState

_ALL = "version_policy: { all {} }"
_GIVEN = {
    "backend": "identity",
    "max_batch_size": 8,
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}],
    "output": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}],
}


def _with_instances(count: int, rest: str = "") -> str:
    return f'{IDENTITY} instance_group {{ name: "i" count: {count} kind: KIND_CPU }} {rest}'


def test_other_instances_alone_are_changed_where_the_model_serves(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", [1, 2], _with_instances(1, _ALL))
    repository = fixture.open()
    repository.load("m")
    published = list(fixture.core.publishes)
    (directory / "config.pbtxt").write_text(_with_instances(3, _ALL))
    repository.load("m")
    assert fixture.core.changes == [("m", 1, 3), ("m", 2, 3)]
    assert fixture.core.builds == [("m", 1), ("m", 2)]
    assert fixture.core.publishes == published
    assert repository.served("m", 2).config.instance_group[0].count == 3
    repository.load("m")
    assert len(fixture.core.changes) == 2


def test_versions_whose_instances_changed_say_so_when_another_one_fails(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", [1, 2], _with_instances(1, _ALL))
    repository = fixture.open()
    repository.load("m")
    (directory / "config.pbtxt").write_text(_with_instances(3, _ALL))
    fixture.core.failures["m", 2] = [InternalError("no more of these")]
    with pytest.raises(InvalidArgError, match="version 2 is at UNAVAILABLE state: Internal: no"):
        repository.load("m")
    assert fixture.core.changes == [("m", 1, 3)]
    counts = [repository.served("m", one).config.instance_group[0].count for one in (1, 2)]
    assert counts == [3, 1]
    assert {entry.state for entry in repository.index()} == {ModelState.READY}
    repository.load("m")
    assert fixture.core.changes == [("m", 1, 3), ("m", 2, 3)]
    assert repository.served("m", 2).config.instance_group[0].count == 3


def test_instances_change_only_when_all_that_must_be_built_is(fixture: Fixture) -> None:
    write_model(fixture.root, "m", [1], _with_instances(1, _ALL))
    repository = fixture.open()
    repository.load("m")
    write_model(fixture.root, "m", [2], _with_instances(3, _ALL))
    fixture.core.failures["m", 2] = [InternalError("no luck")]
    with pytest.raises(InvalidArgError, match="no luck"):
        repository.load("m")
    assert not fixture.core.changes
    assert repository.served("m", 1).config.instance_group[0].count == 1


@pytest.mark.parametrize("rest", ["dynamic_batching {}", 'parameters { key: "a" }'])
def test_anything_else_that_changes_with_instances_builds_the_model(
    fixture: Fixture, rest: str
) -> None:
    directory = write_model(fixture.root, "m", config=_with_instances(1))
    repository = fixture.open()
    repository.load("m")
    (directory / "config.pbtxt").write_text(_with_instances(2, rest))
    repository.load("m")
    assert not fixture.core.changes
    assert fixture.core.builds == [("m", 1)] * 2


def test_a_file_that_changes_with_instances_builds_the_model(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=_with_instances(1))
    repository = fixture.open()
    repository.load("m")
    write_model(fixture.root, "m", config=_with_instances(2))
    touch(directory / "1" / "model.onnx", 1)
    repository.load("m")
    assert not fixture.core.changes
    assert fixture.core.builds == [("m", 1)] * 2


def test_a_model_whose_instances_cannot_change_is_built(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=_with_instances(1))
    fixture.core.lets_instances_change = False
    repository = fixture.open()
    repository.load("m")
    (directory / "config.pbtxt").write_text(_with_instances(2))
    repository.load("m")
    assert fixture.core.builds == [("m", 1)] * 2
    assert repository.served("m").config.instance_group[0].count == 2


def test_the_config_of_a_call_changes_instances_too_and_the_same_again_builds(
    fixture: Fixture,
) -> None:
    write_model(fixture.root, "m", config=_with_instances(1))
    repository = fixture.open()
    repository.load("m", {"config": json.dumps(_GIVEN)})
    group = [{"name": "i", "count": 2, "kind": "KIND_CPU"}]
    given = json.dumps({**_GIVEN, "instance_group": group})
    repository.load("m", {"config": given})
    assert fixture.core.changes == [("m", 1, 2)]
    repository.load("m", {"config": given})
    assert fixture.core.builds == [("m", 1)] * 2
