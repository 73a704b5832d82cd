"""The state of every version of every model, with Triton's states, reasons and words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from tritonpy.errors import ErrorCode, TritonError

UNLOADED = "unloaded"
# Not Triton's: a model on demand that made room for others.
EVICTED = "not in memory, is loaded when it is asked for"


class ModelState(Enum):
    """Triton's model states, as the repository index spells them."""

    UNKNOWN = "UNKNOWN"
    READY = "READY"
    UNAVAILABLE = "UNAVAILABLE"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"


_S = ModelState
# What may follow a state. Nothing is unavailable that was not loading or unloading, but a version
# that failed to load, or was unloaded, may get another reason.
_NEXT = {
    _S.UNKNOWN: frozenset((_S.LOADING,)),
    _S.LOADING: frozenset((_S.READY, _S.UNAVAILABLE)),
    _S.READY: frozenset((_S.UNLOADING,)),
    _S.UNLOADING: frozenset((_S.UNAVAILABLE,)),
    _S.UNAVAILABLE: frozenset((_S.LOADING, _S.UNAVAILABLE)),
}


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """The state of one version; a reason only where it is unavailable."""

    state: ModelState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The versions of one model, and why the model as a whole has none, where that is so."""

    versions: dict[int, VersionStatus]
    reason: str = ""

    @property
    def ready_versions(self) -> tuple[int, ...]:
        """The versions that serve, ascending."""
        return tuple(
            version
            for version, status in sorted(self.versions.items())
            if status.state is ModelState.READY
        )

    @property
    def is_healthy(self) -> bool:
        """Whether every version serves, but for those that were unloaded; none at all is not."""
        return bool(self.versions) and all(
            status.state is ModelState.READY
            or (status.state is ModelState.UNAVAILABLE and status.reason in (UNLOADED, EVICTED))
            for status in self.versions.values()
        )


def failure_reason(error: TritonError) -> str:
    """Return `<code>: <message>`; Triton has no word for CANCELLED."""
    code = "<invalid code>" if error.code is ErrorCode.CANCELLED else error.code.value
    return f"{code}: {error.message}"


class Lifecycle:
    """The table of states. Thread-safe; a transition that cannot be is an AssertionError.

    A version that serves stays READY while a replacement of it loads, and when that one fails.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        """`on_change` is called after every change, by the thread that made it."""
        self._on_change = on_change
        self._lock = threading.Lock()
        self._versions: dict[str, dict[int, VersionStatus]] = {}
        self._reasons: dict[str, str] = {}
        self._unhealthy: set[str] = set()

    @property
    def is_healthy(self) -> bool:
        """Whether every model is. Costs the same however many there are."""
        return not self._unhealthy

    @property
    def unhealthy(self) -> frozenset[str]:
        """The models that are not."""
        with self._lock:
            return frozenset(self._unhealthy)

    def loading(self, name: str, versions: Iterable[int]) -> None:
        """Versions begin to load; those that serve stay ready meanwhile."""
        with self._changing(name):
            self._reasons.pop(name, None)
            for version in versions:
                if self._state(name, version) is not ModelState.READY:
                    self._move(name, version, ModelState.LOADING)

    def ready(self, name: str, versions: Iterable[int]) -> None:
        """Versions serve."""
        with self._changing(name):
            for version in versions:
                if self._state(name, version) is not ModelState.READY:
                    self._move(name, version, ModelState.READY)

    def not_loaded(self, name: str, version: int, reason: str) -> bool:
        """A load came to nothing; return whether the version is unavailable, not still serving."""
        with self._changing(name):
            if self._state(name, version) is ModelState.READY:
                return False
            self._move(name, version, ModelState.UNAVAILABLE, reason)
            return True

    def unloading(self, name: str, versions: Iterable[int]) -> None:
        """Versions that served take no more requests."""
        with self._changing(name):
            for version in versions:
                self._move(name, version, ModelState.UNLOADING)

    def unloaded(self, name: str, versions: Iterable[int]) -> None:
        """Versions are gone."""
        with self._changing(name):
            for version in versions:
                self._move(name, version, ModelState.UNAVAILABLE, UNLOADED)

    def evicted(self, name: str, versions: Iterable[int]) -> None:
        """Versions that were unloaded come back when somebody asks for them."""
        with self._changing(name):
            for version in versions:
                self._move(name, version, ModelState.UNAVAILABLE, EVICTED)

    def forget_failures(self, name: str) -> None:
        """Failures of a model count no more: it is unloaded, or all of it serves."""
        with self._changing(name):
            self._reasons.pop(name, None)
            for version, status in self._versions.get(name, {}).items():
                if status.state is ModelState.UNAVAILABLE:
                    self._move(name, version, ModelState.UNAVAILABLE, UNLOADED)

    def model_failed(self, name: str, reason: str) -> None:
        """The model could not even be looked at; versions that serve stay as they are."""
        with self._changing(name):
            self._reasons[name] = reason

    def snapshot(self) -> dict[str, ModelStatus]:
        """Return the table as it is now, by name."""
        with self._lock:
            names = sorted(self._versions.keys() | self._reasons.keys())
            return {name: self._status(name) for name in names}

    def status(self, name: str) -> ModelStatus:
        """Return what the table says of one model: nothing, where the name is not known."""
        with self._lock:
            return self._status(name)

    @contextmanager
    def _changing(self, name: str) -> Iterator[None]:
        """Hold the lock, and tell of the model's change when it is free again."""
        try:
            with self._lock:
                try:
                    yield
                finally:
                    self._judge(name)
        finally:
            self._on_change()

    def _judge(self, name: str) -> None:
        known = name in self._versions or name in self._reasons
        if known and not self._status(name).is_healthy:
            self._unhealthy.add(name)
        else:
            self._unhealthy.discard(name)

    def _status(self, name: str) -> ModelStatus:
        versions = sorted(self._versions.get(name, {}).items())
        return ModelStatus(dict(versions), self._reasons.get(name, ""))

    def _state(self, name: str, version: int) -> ModelState:
        status = self._versions.get(name, {}).get(version)
        return ModelState.UNKNOWN if status is None else status.state

    def _move(self, name: str, version: int, state: ModelState, reason: str = "") -> None:
        current = self._state(name, version)
        assert state in _NEXT[current], f"'{name}' version {version}: {current} to {state}"
        self._versions.setdefault(name, {})[version] = VersionStatus(state, reason)
