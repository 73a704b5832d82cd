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
        yield from _shadow_families(states)
        yield Family(
            "tritonpy_rollout_rolled_back",
            "Whether the rollout of a model was rolled back",
            "gauge",
            [Sample((("model", name),), int(bool(state.rolled_back))) for name, state in states],
        )


def _shadow_families(states: Sequence[tuple[str, RolloutState]]) -> Iterator[Family]:
    shadows = [
        (_labels(name, state.shadow.label, state.shadow.version), state.shadow)
        for name, state in states
        if state.shadow is not None
    ]
    yield Family(
        "tritonpy_shadow_comparisons_total",
        "Number of requests that a shadow was to answer too, by what became of them",
        "counter",
        [
            Sample(tuple(sorted((*labels, ("result", result)))), count)
            for labels, shadow in shadows
            for result, count in (
                ("equal", shadow.equal),
                ("different", shadow.different),
                ("failed", shadow.failed),
                ("skipped", shadow.skipped),
            )
        ],
    )
    yield Family(
        "tritonpy_shadow_max_difference",
        "Largest absolute difference of two numbers in answers of a shadow and of its model",
        "gauge",
        [Sample(labels, shadow.max_difference) for labels, shadow in shadows],
    )


def _labels(model: str, label: str, version: int) -> Labels:
    return (("label", label), ("model", model), ("version", str(version)))
