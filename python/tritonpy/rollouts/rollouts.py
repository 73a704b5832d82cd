"""Which rollout is in force for which model, and where it came from.

A load call or a poll brings the file of the model's directory; a call of the API brings a document
of its own. What came last counts, but for a file that says what it said before: a load for another
reason neither takes back what an operator has just set nor gives a version that was rolled back
another try. An unload forgets all of it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from tritonpy.errors import NotFoundError
from tritonpy.rollouts.plan import FILE_NAME, RolloutPlan, plan_of, read_plan


@dataclass(frozen=True, slots=True)
class TargetCounters:
    """What went to one label's version since the label has had it."""

    label: str
    version: int
    requests: int
    failures: int  # counted where there is a rollback rule or a shadow


@dataclass(frozen=True, slots=True)
class ShadowCounters:
    """What a shadow answered, beside what the clients got, since the rollout is in force."""

    label: str
    version: int
    equal: int
    different: int
    failed: int  # it had no answer
    skipped: int  # it was behind
    max_difference: float  # of any two numbers


RawCounters: TypeAlias = tuple[
    Sequence[tuple[str, int, int, int]],
    str,
    tuple[str, int, int, int, int, int, float] | None,
]


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A rollout in force. `rolled_back` says why one version now has everything; "": it has not."""

    document: Mapping[str, Any]
    source: str  # the file's path, or "api"
    targets: Sequence[TargetCounters]
    rolled_back: str
    shadow: ShadowCounters | None


class RolloutCore(Protocol):
    """What rollouts ask of the core; `tritonpy.core.Core` does it."""

    def set_rollout(self, name: str, plan: RolloutPlan | None) -> None:
        """Let the traffic of a model go as the plan says, or as without one."""

    def rollout_counters(self, name: str) -> RawCounters | None:
        """Return the fields of each TargetCounters, why it rolled back, those of ShadowCounters."""


@dataclass(frozen=True, slots=True)
class _InForce:
    plan: RolloutPlan
    source: str


class Rollouts:
    """Thread-safe; only `read` blocks."""

    def __init__(self, core: RolloutCore) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._in_force: dict[str, _InForce] = {}
        # Of models that are loaded, or will be on demand.
        self._files: dict[str, RolloutPlan | None] = {}

    def read(self, directory: Path) -> RolloutPlan | None:
        """Read the file of a model, which is not in force yet; errors as `read_plan`."""
        return read_plan(directory)

    def loaded(self, name: str, directory: Path, plan: RolloutPlan | None) -> None:
        """Put in force what was read, if it is not what was read at the load before."""
        with self._lock:
            if name in self._files and self._files[name] == plan:
                return
            had_any = self._files.get(name) is not None
            self._files[name] = plan
            if plan is not None:
                self._set(name, _InForce(plan, str(directory / FILE_NAME)))
            elif had_any:
                self._set(name, None)

    def unloaded(self, name: str) -> None:
        """Forget a model."""
        with self._lock:
            self._files.pop(name, None)
            self._set(name, None)

    def update(self, name: str, document: object) -> None:
        """Put a document in force; InvalidArgError for a wrong one, as `plan_of`.

        Raises NotFoundError for a model that is neither loaded nor on demand.
        """
        plan = plan_of(document, f"rollout of model '{name}'")
        with self._lock:
            if name not in self._files:
                raise NotFoundError(f"Request for unknown model: '{name}' is not found")
            self._set(name, _InForce(plan, "api"))

    def reset(self, name: str) -> None:
        """Give a rollout that went back another try; NotFoundError where there is none."""
        with self._lock:
            self._set(name, self._of(name))

    def state(self, name: str) -> RolloutState:
        """Return what is in force; NotFoundError where nothing is."""
        with self._lock:
            in_force = self._of(name)
            counters = self._core.rollout_counters(name)
        targets, rolled_back, shadow = counters or ((), "", None)
        return RolloutState(
            in_force.plan.document,
            in_force.source,
            tuple(TargetCounters(*target) for target in targets),
            rolled_back,
            None if shadow is None else ShadowCounters(*shadow),
        )

    def has(self, name: str) -> bool:
        """Return whether a model has a rollout."""
        return name in self._in_force

    def states(self) -> Sequence[tuple[str, RolloutState]]:
        """Return every rollout in force, by the model's name."""
        with self._lock:
            names = sorted(self._in_force)
        return [(name, self.state(name)) for name in names if self.has(name)]

    def _of(self, name: str) -> _InForce:
        in_force = self._in_force.get(name)
        if in_force is None:
            raise NotFoundError(f"model '{name}' has no rollout")
        return in_force

    def _set(self, name: str, in_force: _InForce | None) -> None:
        if in_force is not None:
            self._core.set_rollout(name, in_force.plan)
            self._in_force[name] = in_force
        elif self._in_force.pop(name, None) is not None:
            self._core.set_rollout(name, None)
