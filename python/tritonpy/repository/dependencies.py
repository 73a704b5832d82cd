"""Who needs whom: an ensemble needs the models that it is composed of.

Pure functions of graphs, and `Dependents`: the graph of what serves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping

from tritonpy.config.identifier import step_identifier
from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.protos.model_config_pb2 import ModelConfig


def with_namespaces(
    config: ModelConfig,
    within: str,
    namespace_for: Callable[[str, str], str],
    tell: Tell = tell_nobody,
) -> ModelConfig:
    """Return a config whose steps say in which namespace each model is.

    `within` is the config's own; `namespace_for` is RepositoryLayout's.
    """
    placed = ModelConfig()
    placed.CopyFrom(config)
    for index, step in enumerate(placed.ensemble_scheduling.step):
        step.model_namespace = namespace_for(step.model_name, within)
        if step.model_namespace:
            field = f"ensemble_scheduling.step[{index}].model_namespace"
            tell(field, "inferred: the repository that has the model")
    return placed


def composing_models(config: ModelConfig) -> tuple[str, ...]:
    """Return the models of an ensemble's steps by identifier, each once; none for others."""
    steps = config.ensemble_scheduling.step
    return tuple(dict.fromkeys(step_identifier(step) for step in steps if step.model_name))


def circle_through(name: str, needs: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return a shortest way from `name` over what it needs back to it; empty where there is none.

    Both ends are `name`.
    """
    ways: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    for way in ways:  # grows meanwhile
        for needed in needs.get(way[-1], ()):
            if needed == name:
                return (*way, name)
            if needed not in seen:
                seen.add(needed)
                ways.append((*way, needed))
    return ()


class Dependents:
    """Which models need which. Thread-safe; looking up costs the same however many there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._needs: dict[str, tuple[str, ...]] = {}
        self._needed_by: dict[str, set[str]] = {}

    def note(self, name: str, needs: tuple[str, ...]) -> None:
        """From now on a model needs these, and only these, directly."""
        with self._lock:
            for needed in self._needs.pop(name, ()):
                self._needed_by[needed].discard(name)
                if not self._needed_by[needed]:
                    del self._needed_by[needed]
            if needs:
                self._needs[name] = needs
            for needed in needs:
                self._needed_by.setdefault(needed, set()).add(name)

    def of(self, name: str) -> list[str]:
        """Return the models that need this one, in order."""
        with self._lock:
            return sorted(self._needed_by.get(name, ()))
