"""What the repository asks of the core; `tritonpy.core.Core` does all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from tritonpy.config.model_config import CoreModelConfig
from tritonpy.config.onnx_signature import OnnxSignature
from tritonpy.rollouts import RawCounters, RolloutPlan

# Made by build_model and given back to publish; nobody between looks inside.
BuiltModel: TypeAlias = Any


# Of a model on demand: the fields of `repository.demand.DemandCounters`.
RawDemandCounters: TypeAlias = tuple[str, bool, int, int, int, int]


class DemandCore(Protocol):
    """What models on demand ask of the core; `tritonpy.core.ModelDemands` does it. Thread-safe."""

    def offer(self, name: str, expected: object, *, is_in: bool) -> None:
        """Let requests for a model wait until it is in memory."""

    def withdraw(self, name: str) -> None:
        """Let a model be there or not from now on."""

    def next_wanted(self) -> str | None:
        """Wait for a model that requests wait for; None when nobody is to load any more."""

    def stop_wanting(self) -> None:
        """Let `next_wanted` return None."""

    def is_out(self, name: str) -> bool:
        """Return whether requests would wait; raise where it has just failed to load."""

    def let_in(self, name: str) -> None:
        """Run what waited for a model, which serves."""

    def refuse_waiting(self, name: str, text: str, for_s: float) -> None:
        """Answer what waits for a model that did not load, and what comes in the next seconds."""

    def evict(self, name: str, patience_s: float) -> bool:
        """Take a model out once it has nothing to do; whether that was so in time."""

    def counters(self) -> Sequence[RawDemandCounters]:
        """Return the counters of every model on demand."""


class ServingCore(Protocol):
    """Builds models and makes them serve. Thread-safe; all but resolve_version block."""

    @property
    def model_demands(self) -> DemandCore:
        """The models that need not be in memory."""

    def describe_onnx_model(self, path: str, op_libraries: Sequence[str] = ()) -> OnnxSignature:
        """Read the inputs and outputs of an ONNX file."""

    def build_model(self, config: CoreModelConfig) -> BuiltModel:
        """Load a version that serves nobody yet."""

    def change_instances(self, config: CoreModelConfig) -> bool:
        """Change the instances of a version that serves; False: it must be built anew."""

    def publish(self, name: str, models: Sequence[BuiltModel], retire: Sequence[int]) -> None:
        """Make models serve and take versions out; returns when those taken out are idle."""

    def note_unavailable(self, name: str, versions: Sequence[int]) -> None:
        """Remember versions that failed to load."""

    def resolve_version(self, name: str, version: int = -1) -> int:
        """Return the version that serves a request for `version`; -1 is the newest."""

    def set_rollout(self, name: str, plan: RolloutPlan | None) -> None:
        """Let the traffic of a model go as the plan says."""

    def rollout_counters(self, name: str) -> RawCounters | None:
        """Return what a rollout did so far."""
