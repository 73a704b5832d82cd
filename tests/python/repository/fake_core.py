"""A core in memory for tests of the control plane: it builds and publishes, and fails on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.python.repository.fake_demands import FakeDemands
from tritonpy.config.model_config import CoreModelConfig
from tritonpy.config.onnx_signature import OnnxSignature, OnnxTensor
from tritonpy.errors import NotFoundError, TritonError, UnavailableError
from tritonpy.rollouts import RawCounters, RolloutPlan

BATCHABLE = OnnxSignature(
    inputs=(OnnxTensor("x", "FP32", (-1, 4)),), outputs=(OnnxTensor("y", "FP32", (-1, 2)),)
)


@dataclass(frozen=True)
class FakeModel:
    """A built model: the config that it was built from."""

    config: CoreModelConfig


@dataclass
class FakeCore:
    """Keeps what is published; `failures` and the hooks say what goes wrong or must wait."""

    signature: OnnxSignature = BATCHABLE
    failures: dict[tuple[str, int], list[TritonError]] = field(default_factory=dict)
    on_build: Callable[[CoreModelConfig], None] = lambda config: None
    on_publish: Callable[[str, Sequence[int], Sequence[int]], None] = lambda *_: None
    lets_instances_change: bool = True
    builds: list[tuple[str, int]] = field(default_factory=list)
    changes: list[tuple[str, int, int]] = field(default_factory=list)  # and how many instances
    publishes: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    serving: dict[str, dict[int, FakeModel]] = field(default_factory=dict)
    unavailable: dict[str, set[int]] = field(default_factory=dict)
    rollouts: list[tuple[str, RolloutPlan | None]] = field(default_factory=list)
    model_demands: FakeDemands = field(default_factory=FakeDemands)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def describe_onnx_model(self, path: str, op_libraries: Sequence[str] = ()) -> OnnxSignature:
        """Describe every file alike."""
        return self.signature

    def build_model(self, config: CoreModelConfig) -> FakeModel:
        """Build, or raise the next failure of this version; each failure is raised once."""
        with self.lock:
            self.builds.append((config.name, config.version))
        self.on_build(config)
        failures = self.failures.get((config.name, config.version))
        if failures:
            raise failures.pop(0)
        return FakeModel(config)

    def change_instances(self, config: CoreModelConfig) -> bool:
        """Serve with another config, if instances can change here."""
        if not self.lets_instances_change:
            return False
        failures = self.failures.get((config.name, config.version))
        if failures:
            raise failures.pop(0)
        with self.lock:
            self.changes.append((config.name, config.version, len(config.instances)))
        return True

    def publish(self, name: str, models: Sequence[FakeModel], retire: Sequence[int]) -> None:
        """Serve and retire at once."""
        added = tuple(model.config.version for model in models)
        with self.lock:
            self.publishes.append((name, added, tuple(retire)))
            versions = self.serving.setdefault(name, {})
            versions.update({model.config.version: model for model in models})
            for version in retire:
                versions.pop(version)
                self.unavailable.setdefault(name, set()).add(version)
        self.on_publish(name, added, retire)

    def note_unavailable(self, name: str, versions: Sequence[int]) -> None:
        """Remember versions that failed."""
        with self.lock:
            self.unavailable.setdefault(name, set()).update(versions)

    def set_rollout(self, name: str, plan: RolloutPlan | None) -> None:
        """Remember what was put in force."""
        self.rollouts.append((name, plan))

    def rollout_counters(self, name: str) -> RawCounters | None:
        """Return nothing: nobody infers here."""
        return None

    def resolve_version(self, name: str, version: int = -1) -> int:
        """Find a version, or raise the texts of the real core."""
        with self.lock:
            versions = self.serving.get(name, {})
            unavailable = self.unavailable.get(name, set())
        subject = f"Request for unknown model: '{name}'"
        if not versions and not unavailable:
            raise NotFoundError(f"{subject} is not found")
        if version == -1:
            if not versions:
                raise NotFoundError(f"{subject} has no available versions")
            return max(versions)
        if version in versions:
            return version
        if version in unavailable:
            raise UnavailableError(f"{subject} version {version} is not at ready state")
        raise NotFoundError(f"{subject} version {version} is not found")


@dataclass
class RecordingLog:
    """Keeps every line, by level."""

    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def info(self, text: str) -> None:
        """Keep an informational line."""
        self.infos.append(text)

    def warning(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)

    def error(self, text: str) -> None:
        """Keep an error."""
        self.errors.append(text)
