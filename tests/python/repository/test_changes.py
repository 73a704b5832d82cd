"""Goal: who listens for changes knows at every moment whether the server is ready, and exiting.

Method: a listener that asks each time that it is called; after every operation, whatever came of
it, what it heard last is still so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.python.repository.model_tree import Fixture, write_model
from tritonpy.errors import InternalError, TritonError
from tritonpy.repository import ModelRepository


@dataclass
class _Listener:
    """Keeps whether the server was ready and exiting, each time that something changed."""

    repository: ModelRepository
    heard: list[tuple[bool, bool, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repository.on_change(self.listen)

    def listen(self) -> None:
        self.heard.append(self.now())

    def now(self) -> tuple[bool, bool, bool]:
        repository = self.repository
        strict, lenient = repository.is_ready(strict=True), repository.is_ready(strict=False)
        return strict, lenient, repository.is_exiting


_READY, _NOT_READY, _PARTLY = (True, True, False), (False, False, False), (False, True, False)


def _start(fixture: Fixture) -> _Listener:
    listener = _Listener(fixture.open())
    assert listener.repository.load_all()
    return listener


def test_the_end_of_the_start_is_heard(fixture: Fixture) -> None:
    listener = _Listener(fixture.open())
    assert listener.now() == _NOT_READY
    listener.repository.load_all()
    assert listener.heard == [_READY]


def test_a_model_that_loads_makes_the_server_unready_meanwhile(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    listener = _start(fixture)
    seen: list[bool] = []
    fixture.core.on_build = lambda _: seen.append(listener.heard[-1] == _PARTLY)
    listener.repository.load("m")
    assert seen == [True]
    assert listener.heard[-1] == listener.now() == _READY


def test_a_load_that_fails_is_heard_and_so_is_its_end(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    listener = _start(fixture)
    fixture.core.failures["m", 1] = [InternalError("no")]
    with pytest.raises(TritonError):
        listener.repository.load("m")
    assert listener.heard[-1] == listener.now() == _PARTLY
    listener.repository.unload("m")
    assert listener.heard[-1] == listener.now() == _READY


def test_a_model_that_cannot_be_looked_at_is_heard(fixture: Fixture) -> None:
    write_model(fixture.root, "m", config="no config {")
    listener = _start(fixture)
    with pytest.raises(TritonError):
        listener.repository.load("m")
    assert listener.heard[-1] == listener.now() == _PARTLY


@pytest.mark.parametrize("operation", ["load", "unload"])
def test_every_change_of_a_serving_model_is_heard(fixture: Fixture, operation: str) -> None:
    write_model(fixture.root, "m", versions=(1, 2))
    listener = _start(fixture)
    listener.repository.load("m")
    write_model(fixture.root, "m", versions=(3,))
    call: Callable[[str], None] = getattr(listener.repository, operation)
    at_publish: list[bool] = []
    fixture.core.on_publish = lambda *_: at_publish.append(listener.heard[-1] == listener.now())
    call("m")
    assert at_publish
    assert all(at_publish)
    assert listener.heard[-1] == listener.now() == _READY


def test_the_exit_is_heard(fixture: Fixture) -> None:
    listener = _start(fixture)
    listener.repository.begin_exit()
    assert listener.heard[-1] == listener.now() == (False, False, True)


def test_a_start_that_is_told_to_exit_never_gets_ready(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    listener = _Listener(fixture.open(explicit=False))
    listener.repository.begin_exit()
    assert not listener.repository.load_all()
    assert not any(ready for ready, _, _ in listener.heard)
