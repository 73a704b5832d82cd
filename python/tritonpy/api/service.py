"""The V2 protocol's control plane without a transport: every operation but inference.

Inference goes straight from a front end to `tritonpy.core.Inference`, as bytes. Everything here
answers with values of `api.messages` or raises one of `tritonpy.errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final, Protocol

from tritonpy.api.messages import (
    ModelMetadata,
    ServerMetadata,
    Settings,
    TensorMetadata,
    VersionStatistics,
)
from tritonpy.config import ModelConfig, wire_name
from tritonpy.core import LogSettings, ModelStatistics
from tritonpy.errors import (
    InvalidArgError,
    NotFoundError,
    TritonError,
    UnavailableError,
    UnsupportedError,
)
from tritonpy.protos.model_config_pb2 import ModelInput, ModelOutput
from tritonpy.repository import IndexEntry, ParameterValue, ServedVersion
from tritonpy.rollouts import Rollouts, RolloutState
from tritonpy.worker_host import ReadyCheck

# In Triton's order; what is not implemented is not claimed.
EXTENSIONS: Final = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
# How long a model's own is_ready may take, as in Triton's Python backend.
_CHECK_TIMEOUT_S: Final = 5.0
_CHECK_TIMED_OUT: Final = "Timed out waiting for user-defined is_ready() response"
_SHARED_MEMORY_DISABLED: Final = (
    "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable."
)
_TRACE_SETTINGS: Final = Settings(
    {
        "trace_level": ("OFF",),
        "trace_rate": "1000",
        "trace_count": "-1",
        "log_frequency": "0",
        "trace_file": "",
        "trace_mode": "triton",
    }
)


class ServedModels(Protocol):
    """What the service asks of the repository; `tritonpy.repository.ModelRepository` does it."""

    @property
    def is_exiting(self) -> bool:
        """Whether the server is on its way out."""

    def is_ready(self, *, strict: bool) -> bool:
        """Return whether the server can do what it should."""

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener`, on any thread, after what may change is_ready or is_exiting."""

    def served(self, name: str, version: int = -1) -> ServedVersion:
        """Return the version that a request for `version` (-1: newest) goes to."""

    def is_out(self, name: str) -> bool:
        """Return whether requests for a model would wait until it is loaded."""

    def submit_wanted(self, name: str) -> Future[None] | None:
        """Begin to load a model that `is_out`; None for any other."""

    def ready_versions(self, name: str) -> tuple[int, ...]:
        """Return the versions of a model that serve, ascending."""

    def served_versions(self, name: str) -> Sequence[ServedVersion]:
        """Return the versions of one model that serve; none for one not known."""

    def all_served(self) -> Sequence[ServedVersion]:
        """Return every version that serves."""

    def index(self, *, ready_only: bool = False) -> Sequence[IndexEntry]:
        """Return every model and version known. Reads directories."""

    def submit_load(self, name: str, parameters: Mapping[str, ParameterValue]) -> Future[None]:
        """Begin to load a model."""

    def submit_unload(self, name: str, parameters: Mapping[str, ParameterValue]) -> Future[None]:
        """Begin to unload a model."""


class ModelCounters(Protocol):
    """What the service asks of the core; `tritonpy.core.Core` does it."""

    def requested_version(self, name: str, text: str) -> int:
        """Return the version that a request for a model names: a number, a label, "" (-1)."""

    def statistics(self, name: str, version: int) -> ModelStatistics:
        """Return the counters of one version that serves."""

    def check_ready(self, name: str, version: int) -> None:
        """Raise what keeps a version that serves from running now."""


class ModelChecks(Protocol):
    """What the service asks of models' own code; `tritonpy.worker_host.WorkerHost` does it."""

    @property
    def has_checks(self) -> bool:
        """Whether any model checks its readiness itself."""

    def ask_ready(self, identifier: str, version: int) -> Sequence[ReadyCheck]:
        """Ask each instance of a version whose model checks its readiness itself."""


class V2Service:
    """The control plane of V2. Confined to the asyncio loop; only coroutines wait for anything."""

    def __init__(
        self,
        repository: ServedModels,
        core: ModelCounters,
        log_settings: Callable[[], LogSettings],
        *,
        server_name: str,
        server_version: str,
        strict_readiness: bool,
        checks: ModelChecks | None = None,
        rollouts: Rollouts | None = None,
        check_timeout_s: float = _CHECK_TIMEOUT_S,
    ) -> None:
        """`checks` is None where no model has code of its own; it may take `check_timeout_s`."""
        self._checks = checks
        self._rollouts = rollouts
        self._check_timeout_s = check_timeout_s
        self._repository = repository
        self._core = core
        self._log_settings = log_settings
        self._metadata = ServerMetadata(server_name, server_version, EXTENSIONS)
        self._strict_readiness = strict_readiness

    @property
    def is_exiting(self) -> bool:
        """Whether the server is on its way out and takes no new work."""
        return self._repository.is_exiting

    def requested_version(self, name: str, text: str) -> int:
        """Return the version that a request for a model names, -1 for an empty text."""
        return self._core.requested_version(name, text) if text else -1

    def has_labels(self, name: str) -> bool:
        """Return whether versions of a model have labels, which a request may name."""
        return self._rollouts is not None and self._rollouts.has(name)

    def rollout(self, name: str) -> RolloutState:
        """Return the rollout of a model; NotFoundError where it has none."""
        if self._rollouts is None:
            raise NotFoundError(f"model '{name}' has no rollout")
        return self._rollouts.state(name)

    def update_rollout(self, name: str, request: Mapping[str, object]) -> RolloutState:
        """Put a rollout in force until the model's file changes; return what it is then.

        `{"reset": true}` instead gives one that was rolled back another try. Raises
        InvalidArgError for a wrong one, NotFoundError for a model that is not loaded.
        """
        if self._rollouts is None:
            raise NotFoundError(f"model '{name}' has no rollout")
        if request == {"reset": True}:
            self._rollouts.reset(name)
        else:
            self._rollouts.update(name, request)
        return self._rollouts.state(name)

    def is_live(self) -> bool:
        """Return True: whoever can be asked lives. Raises UnavailableError while exiting."""
        self._refuse_while_exiting()
        return True

    def is_ready(self) -> bool:
        """Return whether every model that should serve can. Raises UnavailableError on exit."""
        self._refuse_while_exiting()
        strict = self._strict_readiness
        if not self._repository.is_ready(strict=strict):
            return False
        return not strict or all(self._can_run(model) for model in self._repository.all_served())

    def on_health_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after what may change is_live or is_ready.

        That may be on any thread; the listener must neither block nor raise.
        """
        self._repository.on_change(listener)

    @property
    def models_have_checks(self) -> bool:
        """Whether some model that serves has a word of its own on whether it is ready."""
        return self._checks is not None and self._checks.has_checks

    async def require_model_ready(self, name: str, version: str) -> None:
        """Raise what keeps a version from serving: the server's reasons, then the model's own."""
        await self._require_ready(name, self.requested_version(name, version))

    async def is_model_ready(self, name: str, version: str) -> bool:
        """Return whether a version serves; False also for a model that nobody knows."""
        parsed = self.requested_version(name, version)
        try:
            await self._require_ready(name, parsed)
        except TritonError:
            return False
        return True

    def server_metadata(self) -> ServerMetadata:
        """Return what the server is."""
        return self._metadata

    async def model_metadata(self, name: str, version: str) -> ModelMetadata:
        """Return what a model takes and gives; without a version, every version is listed."""
        served = await self._served(name, version)
        config = served.config
        batched = config.max_batch_size >= 1
        return ModelMetadata(
            name=name,
            versions=(served.version,) if version else self._repository.ready_versions(name),
            platform=config.platform or config.backend,
            inputs=tuple(_tensor_metadata(tensor, batched) for tensor in config.input),
            outputs=tuple(_tensor_metadata(tensor, batched) for tensor in config.output),
        )

    async def model_config(self, name: str, version: str) -> ModelConfig:
        """Return the completed config of a version. The caller must not change it."""
        return (await self._served(name, version)).config

    def statistics(self, name: str = "", version: str = "") -> list[VersionStatistics]:
        """Return the counters of a version, of a model's versions, or of everything that serves.

        Raises InvalidArgError when what is named does not serve.
        """
        wanted = self.requested_version(name, version)
        if not name:
            return list(self._counters(self._repository.all_served()))
        versions = self._repository.served_versions(name)
        if not versions:
            raise InvalidArgError(f"requested model '{name}' is not available")
        if wanted != -1:
            versions = [model for model in versions if model.version == wanted]
            if not versions:
                raise InvalidArgError(
                    f"requested model version is not available for model '{name}'"
                )
        return list(self._counters(versions))

    async def repository_index(self, *, ready_only: bool) -> Sequence[IndexEntry]:
        """Return every model of the repositories and the state of its versions."""
        return await asyncio.to_thread(self._repository.index, ready_only=ready_only)

    async def load_model(self, name: str, parameters: Mapping[str, ParameterValue]) -> None:
        """Load a model, or bring it up to date; returns when it serves."""
        await _finished(self._repository.submit_load(name, parameters))

    async def unload_model(self, name: str, parameters: Mapping[str, ParameterValue]) -> None:
        """Unload a model; returns when its last request is answered."""
        await _finished(self._repository.submit_unload(name, parameters))

    def trace_settings(self, model: str = "") -> Settings:
        """Return the trace settings, which are the same for the server and for every model."""
        if model and not self._repository.ready_versions(model):
            raise InvalidArgError(f"Request for unknown model : {model}")
        return _TRACE_SETTINGS

    def update_trace_settings(self, names: Iterable[str], model: str = "") -> Settings:
        """Refuse to change any trace setting; return them when none is named."""
        settings = self.trace_settings(model)
        _refuse_update("trace", names)
        return settings

    def log_settings(self) -> Settings:
        """Return the log settings in force."""
        settings = self._log_settings()
        return Settings(
            {
                "log_file": settings.file,
                "log_info": settings.info,
                "log_warning": settings.warning,
                "log_error": settings.error,
                "log_verbose_level": settings.verbose_level,
                "log_format": settings.format,
            }
        )

    def update_log_settings(self, names: Iterable[str]) -> Settings:
        """Refuse to change any log setting; return them when none is named."""
        _refuse_update("log", names)
        return self.log_settings()

    def require_shared_memory(self) -> None:
        """Raise UnsupportedError: clients may not register memory of theirs."""
        raise UnsupportedError(_SHARED_MEMORY_DISABLED)

    def require_region_known(self, kind: str, region: str) -> None:
        """Raise NotFoundError for a region's name: there are none. `kind` is system or cuda."""
        if region:
            raise NotFoundError(f"Unable to find {kind} shared memory region: '{region}'")

    async def _served(self, name: str, version: str) -> ServedVersion:
        """Return the version that is meant, once its model is in memory."""
        loading = self._repository.submit_wanted(name)
        if loading is not None:
            await _finished(loading)
        return self._repository.served(name, self.requested_version(name, version))

    async def _require_ready(self, name: str, version: int) -> None:
        if self._repository.is_out(name):
            return  # a request would bring it
        served = self._repository.served(name, version)
        self._core.check_ready(name, served.version)
        if self._checks is None:
            return
        checks = self._checks.ask_ready(served.identifier, served.version)
        await asyncio.gather(*(self._require_own_word(check) for check in checks))

    async def _require_own_word(self, check: ReadyCheck) -> None:
        # Shielded: others may wait for the same answer.
        answer = asyncio.shield(asyncio.wrap_future(check.answer))
        try:
            is_ready = await asyncio.wait_for(answer, self._check_timeout_s)
        except asyncio.TimeoutError:
            raise UnavailableError(_CHECK_TIMED_OUT) from None
        if not is_ready:
            raise UnavailableError(
                f"Model '{check.instance_name}' is not ready (user-defined check failed)."
            )

    def _can_run(self, model: ServedVersion) -> bool:
        try:
            self._core.check_ready(model.identifier, model.version)
        except TritonError:
            return False
        return True

    def _counters(self, models: Iterable[ServedVersion]) -> Iterable[VersionStatistics]:
        for model in models:
            try:
                counters = self._core.statistics(model.identifier, model.version)
            except TritonError:  # unloaded meanwhile
                continue
            yield VersionStatistics(model.name, model.version, counters)

    def _refuse_while_exiting(self) -> None:
        if self._repository.is_exiting:
            raise UnavailableError("Server exiting")


def _tensor_metadata(tensor: ModelInput | ModelOutput, batched: bool) -> TensorMetadata:
    dims = tuple(tensor.dims)
    shape = (-1, *dims) if batched else dims
    return TensorMetadata(tensor.name, wire_name(tensor.data_type), shape)


async def _finished(job: Future[None]) -> None:
    """Wait for a job that goes on also when the caller goes away."""
    try:
        await asyncio.shield(asyncio.wrap_future(job))
    except asyncio.CancelledError:
        if job.cancelled():  # dropped by a repository that closes, not by our caller
            raise UnavailableError("Server exiting") from None
        raise


def _refuse_update(kind: str, names: Iterable[str]) -> None:
    listed = ", ".join(f"'{name}'" for name in names)
    if listed:
        raise UnsupportedError(f"{kind} settings can not be updated, got: {listed}")
