"""A repository and a core without models: what the service, front ends and metrics look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from google.protobuf import text_format

from tritonpy.core import (
    BatchSizeStatistics,
    CacheCounters,
    DurationCount,
    LogSettings,
    ModelStatistics,
)
from tritonpy.errors import InvalidArgError, NotFoundError, UnavailableError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.repository import IndexEntry, ModelState, ParameterValue, ServedVersion
from tritonpy.repository.model_versions import VersionKey

CONFIG = """
    name: "model"
    platform: ""
    backend: "identity"
    max_batch_size: 4
    input { name: "IN" data_type: TYPE_STRING dims: [ 3, -1 ] reshape { shape: [ -1 ] } }
    output { name: "OUT" data_type: TYPE_FP32 dims: [ 2 ] }
    metric_tags { key: "team" value: "a \\"b\\"" }
"""
COUNTERS = ModelStatistics(
    last_inference_ms=1234,
    inference_count=7,
    execution_count=3,
    success=DurationCount(5, 50_999),
    fail=DurationCount(1, 10),
    queue=DurationCount(5, 2_000),
    compute_input=DurationCount(5, 3_000),
    compute_infer=DurationCount(5, 4_000),
    compute_output=DurationCount(5, 5_000),
    cache_hit=DurationCount(2, 6_000),
    cache_miss=DurationCount(3, 7_000),
    failures_by_reason={"REJECTED": 1, "CANCELED": 0, "BACKEND": 0, "OTHER": 0},
    batch_stats=(
        BatchSizeStatistics(2, DurationCount(1, 11), DurationCount(1, 12), DurationCount(1, 13)),
    ),
    pending=6,
)


def served(name: str = "model", version: int = 1, config: str = CONFIG) -> ServedVersion:
    """Return a version that serves."""
    parsed = text_format.Parse(config, ModelConfig())
    key = VersionKey(b"", b"", frozenset(), frozenset())
    return ServedVersion(name, version, parsed, 1_500_000_000, key, {})


class FakeRepository:
    """Serves what it is given; loads and unloads finish when the test says so."""

    def __init__(self, *models: ServedVersion) -> None:
        self.models = models
        self.out: list[str] = []  # names of those that are not in memory
        self.is_exiting = False
        self.ready = True
        self.calls: list[tuple[str, str, dict[str, ParameterValue]]] = []
        self.job: Future[None] = Future()
        self.strict: bool | None = None
        self.listeners: list[Callable[[], None]] = []

    def is_ready(self, *, strict: bool) -> bool:
        self.strict = strict
        return self.ready

    def on_change(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def is_out(self, name: str) -> bool:
        return name in self.out

    def submit_wanted(self, name: str) -> Future[None] | None:
        if name not in self.out:
            return None
        self.calls.append(("want", name, {}))
        return self.job

    def served(self, name: str, version: int = -1) -> ServedVersion:
        found = [model for model in self.models if model.name == name]
        if not found:
            raise NotFoundError(f"Request for unknown model: '{name}' is not found")
        if version == -1:
            return found[-1]
        for model in found:
            if model.version == version:
                return model
        raise NotFoundError(f"Request for unknown model: '{name}' version {version} is not found")

    def ready_versions(self, name: str) -> tuple[int, ...]:
        return tuple(model.version for model in self.models if model.name == name)

    def served_versions(self, name: str) -> Sequence[ServedVersion]:
        return [model for model in self.all_served() if model.name == name]

    def all_served(self) -> Sequence[ServedVersion]:
        return self.models

    def index(self, *, ready_only: bool = False) -> Sequence[IndexEntry]:
        entries = [IndexEntry("model", 1, ModelState.READY)]
        if not ready_only:
            entries += [
                IndexEntry("gone", 2, ModelState.UNAVAILABLE, "unloaded"),
                IndexEntry("never"),
            ]
        return entries

    def submit_load(self, name: str, parameters: Mapping[str, ParameterValue]) -> Future[None]:
        self.calls.append(("load", name, dict(parameters)))
        return self.job

    def submit_unload(self, name: str, parameters: Mapping[str, ParameterValue]) -> Future[None]:
        self.calls.append(("unload", name, dict(parameters)))
        return self.job


class FakeCore:
    """Has the same counters for every version but those named as gone."""

    def __init__(
        self, gone: frozenset[int] = frozenset(), cache: CacheCounters | None = None
    ) -> None:
        self._gone = gone
        self._cache = cache
        self.broken: set[int] = set()

    def requested_version(self, name: str, text: str) -> int:
        if not text.isdigit():
            raise InvalidArgError(f"failed to get model version from '{text}'")
        return int(text)

    def check_ready(self, name: str, version: int) -> None:
        if version in self.broken:
            raise UnavailableError(f"{name} {version} is broken")

    def statistics(self, name: str, version: int) -> ModelStatistics:
        if version in self._gone:
            raise NotFoundError(name)
        return replace(COUNTERS, inference_count=version)

    def cache_counters(self) -> CacheCounters | None:
        return self._cache


def log_settings() -> LogSettings:
    """Return log settings that are not the default ones."""
    return LogSettings(info=False, verbose_level=2, format="ISO8601", file="a.log")
