"""Who needs whom: an ensemble needs the models that it is composed of. Pure functions of graphs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tritonpy.config.identifier import step_identifier
from tritonpy.protos.model_config_pb2 import ModelConfig


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
