"""Goal: states change only as they may, with Triton's words. Method: the table alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tritonpy.errors import CancelledError, InternalError, InvalidArgError
from tritonpy.repository.lifecycle import (
    Lifecycle,
    ModelState,
    ModelStatus,
    VersionStatus,
    failure_reason,
)

_READY = VersionStatus(ModelState.READY)
_UNLOADED = VersionStatus(ModelState.UNAVAILABLE, "unloaded")
_FAILED = VersionStatus(ModelState.UNAVAILABLE, "Internal: no")


def test_a_version_loads_serves_and_unloads() -> None:
    table = Lifecycle()
    seen = []
    for step in (table.loading, table.ready, table.unloading, table.unloaded):
        step("m", [1])
        seen.append(table.snapshot()["m"].versions[1])
    assert seen == [
        VersionStatus(ModelState.LOADING),
        _READY,
        VersionStatus(ModelState.UNLOADING),
        _UNLOADED,
    ]


def test_a_serving_version_stays_ready_while_its_replacement_loads_and_fails() -> None:
    table = Lifecycle()
    table.loading("m", [1])
    table.ready("m", [1])
    table.loading("m", [1, 2])
    assert table.snapshot()["m"].ready_versions == (1,)
    assert not table.not_loaded("m", 1, "Internal: no")
    assert table.not_loaded("m", 2, "Internal: no")
    assert table.snapshot()["m"].versions == {1: _READY, 2: _FAILED}


def test_a_failed_version_may_load_again() -> None:
    table = Lifecycle()
    table.loading("m", [1])
    table.not_loaded("m", 1, "Internal: no")
    table.loading("m", [1])
    table.ready("m", [1])
    assert table.snapshot()["m"].versions == {1: _READY}


@pytest.mark.parametrize("step", ["ready", "unloading", "unloaded"])
def test_a_version_that_never_loaded_can_only_load(step: str) -> None:
    table = Lifecycle()
    with pytest.raises(AssertionError, match="'m' version 1"):
        getattr(table, step)("m", [1])


def test_forgotten_failures_read_unloaded() -> None:
    table = Lifecycle()
    table.loading("m", [1])
    table.not_loaded("m", 1, "Internal: no")
    table.model_failed("m", "Internal: bad")
    table.forget_failures("m")
    assert table.snapshot() == {"m": ModelStatus({1: _UNLOADED})}


@pytest.mark.parametrize(
    ("versions", "healthy"),
    [
        ({1: _READY}, True),
        ({1: _READY, 2: _UNLOADED}, True),
        ({1: _UNLOADED}, True),
        ({1: _READY, 2: _FAILED}, False),
        ({1: VersionStatus(ModelState.LOADING)}, False),
        ({1: VersionStatus(ModelState.UNLOADING)}, False),
        ({}, False),
    ],
)
def test_only_unloaded_versions_may_be_unavailable_in_a_healthy_model(
    versions: dict[int, VersionStatus], healthy: bool
) -> None:
    assert ModelStatus(versions).is_healthy is healthy


def test_the_table_is_healthy_while_every_model_is() -> None:
    table = Lifecycle()
    steps: list[tuple[Callable[[], object], bool]] = [
        (lambda: None, True),
        (lambda: table.loading("a", [1]), False),
        (lambda: table.ready("a", [1]), True),
        (lambda: table.loading("b", [1, 2]), False),
        (lambda: table.not_loaded("b", 2, "Internal: no"), False),
        (lambda: table.ready("b", [1]), False),
        (lambda: table.model_failed("c", "Internal: nothing there"), False),
        (lambda: table.forget_failures("b"), False),
        (lambda: table.loading("c", [1]), False),
        (lambda: table.unloading("a", [1]), False),
        (lambda: table.ready("c", [1]), False),
        (lambda: table.unloaded("a", [1]), True),
    ]
    for step, healthy in steps:
        step()
        assert table.is_healthy is healthy
        assert all(status.is_healthy for status in table.snapshot().values()) is healthy


def test_reasons_start_with_the_code() -> None:
    assert failure_reason(InvalidArgError("no")) == "Invalid argument: no"
    assert failure_reason(InternalError("no")) == "Internal: no"
    assert failure_reason(CancelledError("no")) == "<invalid code>: no"
