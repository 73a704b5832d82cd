"""`Core`: models in the C++ inference server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from tritonpy import _core
from tritonpy.config.model_config import CoreModelConfig
from tritonpy.config.onnx_signature import OnnxSignature, OnnxTensor
from tritonpy.core.demand import ModelDemands
from tritonpy.core.host_policies import resolve
from tritonpy.core.inference import Inference
from tritonpy.core.log import Log
from tritonpy.core.native_frontend import NativeFrontend
from tritonpy.core.onnxruntime import turn_telemetry_off
from tritonpy.core.statistics import CacheCounters, InFlight, ModelStatistics, statistics_of
from tritonpy.core.status import core_errors
from tritonpy.options import ConnectionOptions, LimitOptions

BuiltModel = _core.BuiltModel
# Of each target, label, version, requests and failures; why it rolled back; label, version, equal,
# different, failed and skipped answers of the shadow, and the largest difference.
RolloutCounters: TypeAlias = tuple[
    list[tuple[str, int, int, int]], str, tuple[str, int, int, int, int, int, float] | None
]


class WorkerLauncher(Protocol):
    """Starts the processes of models that run in workers. The core calls it on its own threads."""

    def launch(self, spec: str, instance_name: str, kind: str, device_id: int) -> tuple[int, ...]:
        """Start a worker and return once its model is initialised; an exception says why not.

        `spec` is `CoreModelConfig.worker`. Returns the server's ends of the execute and
        executed pipes and of the calls socket, the memfds of inputs and outputs, all of them the
        core's from then on, and the process id. The thread that calls this lives as long as the
        worker.
        """

    def ended(self, pid: int) -> str:
        """Wait until the process has ended, reap it, and say how it ended. Never raises."""

    def health_changed(self) -> None:
        """Take note that a worker has died, or that a new one is in its place. Does not block."""


class Core:
    """The C++ inference server. Thread-safe; calls that block release the GIL."""

    def __init__(
        self,
        log: Log,
        onnxruntime_library: str,
        workers: WorkerLauncher | None = None,
        limits: LimitOptions | None = None,
    ) -> None:
        """Raises TritonError where a host policy asks for what the machine does not have.

        Or where there is no entering the redis that is to keep answers; connecting blocks.
        """
        turn_telemetry_off()
        self._log = log
        self._onnxruntime_library = onnxruntime_library
        host_policies = {} if limits is None else resolve(limits.host_policies)
        with core_errors:
            self._server = _core.Server(
                log.handle, onnxruntime_library, workers, limits, host_policies=host_policies
            )
        self._model_demands = ModelDemands(self._server)

    def describe_onnx_model(self, path: str, op_libraries: Sequence[str] = ()) -> OnnxSignature:
        """Read the inputs and outputs of an ONNX file. Blocks while ONNX Runtime loads it.

        `op_libraries` are shared libraries with operators that the model uses.
        """
        with core_errors:
            inputs, outputs = _core.describe_onnx_model(
                self._onnxruntime_library, path, self._log.handle, list(op_libraries)
            )
        return OnnxSignature(_onnx_tensors(inputs), _onnx_tensors(outputs))

    def build_model(self, config: CoreModelConfig) -> BuiltModel:
        """Load a model version that serves nobody yet. Blocks while its backend loads."""
        with core_errors:
            return self._server.build_model(config)

    def change_instances(self, config: CoreModelConfig) -> bool:
        """Change a ready version's instances to those of a config that is the same in all else.

        Those with the same settings stay as they are, and no request fails. False where the version
        must be built anew. Blocks while instances load, and until surplus ones are idle.
        """
        with core_errors:
            return self._server.change_instances(config)

    def publish(self, name: str, models: Sequence[BuiltModel], retire: Sequence[int]) -> None:
        """Make `models` the ready versions and retire others, atomically for requests.

        Blocks until the retired and replaced versions have answered what they took.
        """
        self._server.publish(name, models, retire)

    def note_unavailable(self, name: str, versions: Sequence[int]) -> None:
        """Let inference on versions that failed to load say "not ready", not "not found"."""
        self._server.note_unavailable(name, versions)

    def resolve_version(self, name: str, version: int = -1) -> int:
        """Return the ready version that a request for `version` (-1: newest) would go to."""
        with core_errors:
            return self._server.resolve_version(name, version)

    def check_ready(self, name: str, version: int = -1) -> None:
        """Raise UnavailableError when an instance of a ready version cannot run now."""
        with core_errors:
            self._server.check_ready(name, version)

    def requested_version(self, name: str, text: str) -> int:
        """Return the version that a request for a model names: a number, a label, "" (-1)."""
        with core_errors:
            return _core.requested_version(self._server, name, text)

    def set_rollout(self, name: str, plan: object) -> None:
        """Let the traffic of a model go as a `rollouts.RolloutPlan` says; None: as without one."""
        _core.set_rollout(self._server, name, plan)

    def rollout_counters(self, name: str) -> RolloutCounters | None:
        """Return what `rollouts.RolloutState` has, as tuples; None where there is no rollout."""
        return _core.rollout_counters(self._server, name)

    @property
    def model_demands(self) -> ModelDemands:
        """The models that need not be in memory."""
        return self._model_demands

    def statistics(self, name: str, version: int) -> ModelStatistics:
        """Return the counters of one ready version."""
        with core_errors:
            return statistics_of(self._server.statistics(name, version))

    def cache_counters(self) -> CacheCounters | None:
        """Return what the response cache did; None where there is none."""
        raw = self._server.cache_counters()
        return None if raw is None else CacheCounters(**raw)

    def drain(self, timeout_s: float, *, end_sequences: bool = True) -> bool:
        """Refuse new inference and wait for what is in flight; whether all of it ended in time.

        Without `end_sequences` clients may go on with those they have, and they are waited for.
        """
        return self._server.drain(timeout_s, end_sequences)

    def in_flight(self) -> list[InFlight]:
        """Return what each model version still has to answer."""
        return [InFlight(*entry) for entry in self._server.in_flight()]

    def native_frontend(self, options: ConnectionOptions) -> NativeFrontend:
        """Return a native front end that nobody can reach yet; its io threads run.

        Raises UnavailableError when the process has no descriptors left for it.
        """
        with core_errors:
            return NativeFrontend(_core.Frontend(self._server, self._log.handle, options))

    def inference(self, forward_pattern: str = "", *, ignore_case: bool = False) -> Inference:
        """Return the way into inference for the running asyncio loop.

        Headers whose names have the pattern in them become parameters of their requests. Raises
        InvalidArgError for what is no regular expression.
        """
        with core_errors:
            queue = _core.CompletionQueue(self._server, forward_pattern, ignore_case)
        return Inference(queue, asyncio.get_running_loop())


def _onnx_tensors(raw: Sequence[tuple[str, str, list[int], bool]]) -> tuple[OnnxTensor, ...]:
    return tuple(
        OnnxTensor(name, data_type, tuple(dims), optional)
        for name, data_type, dims, optional in raw
    )
