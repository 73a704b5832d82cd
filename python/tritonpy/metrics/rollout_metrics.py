"""The metrics of rollouts, with names of our own: Triton has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from tritonpy.metrics.exposition import Family, Labels, Sample
from tritonpy.rollouts import RolloutState


class RolloutStates(Protocol):
    """What metrics ask of the rollouts."""

    def states(self) -> Sequence[tuple[str, RolloutState]]:
        """Return every rollout in force, by the model's name."""


class RolloutMetrics:
    """Thread-safe: reads, and keeps nothing."""

    def __init__(self, rollouts: RolloutStates) -> None:
        self._rollouts = rollouts

    def families(self) -> Iterator[Family]:
        """Yield every family; none has samples where no model has a rollout."""
        states = self._rollouts.states()
        targets = [
            (_labels(name, target.label, target.version), target)
            for name, state in states
            for target in state.targets
        ]
        yield Family(
            "tritonpy_rollout_requests_total",
            "Number of requests that went to the version of a label",
            "counter",
            [Sample(labels, target.requests) for labels, target in targets],
        )
        yield Family(
            "tritonpy_rollout_failures_total",
            "Number of those that the version failed, of models with a rollback rule",
            "counter",
            [Sample(labels, target.failures) for labels, target in targets],
        )
        yield Family(
            "tritonpy_rollout_rolled_back",
            "Whether the rollout of a model was rolled back",
            "gauge",
            [Sample((("model", name),), int(bool(state.rolled_back))) for name, state in states],
        )


def _labels(model: str, label: str, version: int) -> Labels:
    return (("label", label), ("model", model), ("version", str(version)))
