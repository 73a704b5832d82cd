"""What the repository asks of the core; `tritonpy.core.Core` does all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from tritonpy.config.model_config import CoreModelConfig
from tritonpy.config.onnx_signature import OnnxSignature
from tritonpy.rollouts import RawCounters, RolloutPlan

# Made by build_model and given back to publish; nobody between looks inside.
BuiltModel: TypeAlias = Any


class ServingCore(Protocol):
    """Builds models and makes them serve. Thread-safe; all but resolve_version block."""

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
