"""Loads one model: files and config text in, built versions out; nothing here is served yet.

A poll reads the config, completes it from the directory and chooses the versions. A build then
takes one version through its backend. What a poll finds wrong stops the model; what is wrong with
instances, inputs and outputs is said by each version that it stops, as in Triton.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tritonpy.backends import Backend, CompletePythonModel, CompletionContext, find_backend
from tritonpy.config.autocomplete import artefact_path
from tritonpy.config.instance_groups import Devices, instance_group_problems
from tritonpy.config.labels import read_labels
from tritonpy.config.lower_sequence import lower_sequence
from tritonpy.config.lower_warmup import read_warmup
from tritonpy.config.model_config import CoreModelConfig, lower
from tritonpy.config.model_metrics import first_response_bounds_ms
from tritonpy.config.normalize import normalize
from tritonpy.config.onnx_signature import DEFAULT_MAX_BATCH_SIZE
from tritonpy.config.pbtxt import parse_config
from tritonpy.config.platforms import ENSEMBLE
from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.config.stages import core_stage
from tritonpy.config.unsupported import gpu_features, unsupported_features, unsupported_scheduler
from tritonpy.config.validate import raise_problems, validate
from tritonpy.config.validate_io import batch_io_problems, io_problems
from tritonpy.errors import (
    InternalError,
    InvalidArgError,
    TritonError,
    UnsupportedError,
)
from tritonpy.options import RepositoryOptions
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.repository.agents import AgentRun
from tritonpy.repository.content_digest import content_digest
from tritonpy.repository.dependencies import composing_models, with_namespaces
from tritonpy.repository.ensemble_loader import (
    ComposingModels,
    composing_fingerprint,
    load_ensemble,
)
from tritonpy.repository.file_stamps import read_stamps
from tritonpy.repository.layout import (
    Logger,
    ModelLocation,
    config_file,
    version_directories,
)
from tritonpy.repository.model_versions import (
    BuiltVersion,
    PolledModel,
    PolledVersion,
    VersionKey,
)
from tritonpy.repository.serving_core import BuiltModel, ServingCore
from tritonpy.repository.version_policy import choose_versions


class ModelLoader:
    """Thread-safe; every method blocks on files, builds also on the backend."""

    def __init__(
        self,
        core: ServingCore,
        log: Logger,
        options: RepositoryOptions,
        devices: Devices,
        complete_python_model: CompletePythonModel,
        composing: ComposingModels,
        namespace_for: Callable[[str, str], str],
    ) -> None:
        """`namespace_for` is RepositoryLayout's."""
        self._core = core
        self._composing = composing
        self._namespace_for = namespace_for
        self._complete_python_model = complete_python_model
        self._log = log
        self._options = options
        self._devices = devices

    def config_file(self, location: ModelLocation) -> Path:
        """Return where the config of a model is, or would be."""
        return config_file(location, self._options.config_name)

    def composing(
        self, location: ModelLocation, override: ModelConfig | None = None
    ) -> tuple[str, ...]:
        """Read which models a model is composed of; none where that cannot be read."""
        try:
            if override is None and not _mentions(
                self.config_file(location), b"ensemble_scheduling"
            ):
                return ()
            return composing_models(self._given_config(location, override))
        except (TritonError, OSError, UnicodeDecodeError):
            return ()  # the load will say so

    def as_written(self, location: ModelLocation) -> ModelConfig:
        """Read the config of a model; empty where that cannot be read."""
        try:
            return self._read_config(location)
        except (TritonError, OSError, UnicodeDecodeError):
            return ModelConfig()  # the load will say so

    def run_agents(
        self, location: ModelLocation, override: ModelConfig | None, before: AgentRun | None
    ) -> AgentRun:
        """Let the agents of a model's config see it, or bring another. Raises TritonError.

        Returns `before` where the agents have seen the model as it is.
        """
        try:
            if override is not None:
                config = override
            elif _mentions(self.config_file(location), b"model_repository_agents"):
                config = self._read_config(location)
            else:
                config = ModelConfig()
            has_agents = bool(config.model_repository_agents.agents)
            seen = (location, _fingerprint(config), read_stamps(location) if has_agents else None)
        except (OSError, UnicodeDecodeError) as error:
            raise InternalError(f"failed to read '{location.path}': {error}") from error
        if before is not None and before.seen == seen:
            return before
        return AgentRun(config, location, seen, self._options.agent_directory, self._log)

    def poll(self, location: ModelLocation, override: ModelConfig | None = None) -> PolledModel:
        """Read a model's config (or take `override` for it) and choose its versions.

        Raises TritonError for a config that cannot be read or breaks a rule of the whole model.
        """
        try:
            # Before anything is read: what changes later is then seen as a change.
            stamps = read_stamps(location)
            given = self._given_config(location, override)
            config = self._completed(location, given)
            directories = version_directories(location, self._log)
        except (OSError, UnicodeDecodeError) as error:
            raise InternalError(f"failed to read '{location.path}': {error}") from error
        choice = choose_versions(config.version_policy, directories)
        for version in choice.missing:
            self._log.error(
                f"version {version} is specified for model '{location.name}', but there is no "
                "directory of that version"
            )
        instances = _bytes_of(ModelConfig(instance_group=config.instance_group))
        fingerprint = _fingerprint(config) + composing_fingerprint(config, self._composing)
        return PolledModel(
            location=location,
            config=config,
            problems=self._version_problems(config),
            versions=tuple(
                PolledVersion(
                    version,
                    directories[version],
                    VersionKey(fingerprint, instances, *stamps.of_version(version)),
                )
                for version in choice.selected
            ),
        )

    def build(
        self, polled: PolledModel, version: PolledVersion, served: VersionKey | None = None
    ) -> BuiltVersion:
        """Load one version, trying again as often as the options say. Raises TritonError.

        `served` is what the version was loaded from that serves now, if one does: where only its
        instances are others, it gets them and serves on.
        """
        in_place = served is not None and served.differs_in_instances_alone(version.key)
        for _ in range(self._options.load_retries):
            try:
                return self._build_once(polled, version, in_place)
            except TritonError as error:
                self._log.warning(
                    f"retrying to load '{polled.location.name}' version {version.version}: "
                    f"{error.message}"
                )
        return self._build_once(polled, version, in_place)

    def _given_config(self, location: ModelLocation, override: ModelConfig | None) -> ModelConfig:
        given = self._read_config(location) if override is None else override
        return with_namespaces(given, location.namespace, self._namespace_for)

    def _read_config(self, location: ModelLocation) -> ModelConfig:
        if location.file is not None:
            return config_of_file(location)
        path = self.config_file(location)
        if not path.is_file():
            if not self._options.auto_complete:
                raise InternalError(f"failed to open text file for read {path}: no such file")
            return ModelConfig()
        return parse_config(path.read_text(encoding="utf-8"), str(path))

    def _completed(self, location: ModelLocation, given: ModelConfig) -> ModelConfig:
        if location.file is not None:
            return normalize(given, self._devices)
        auto_complete = self._options.auto_complete
        return core_stage(given, location.path, self._devices, auto_complete=auto_complete)

    def _version_problems(self, config: ModelConfig) -> tuple[str, ...]:
        """Return what only versions say; raise everything when the model as a whole is wrong."""
        problems = validate(config, self._devices)
        of_versions = {
            *instance_group_problems(config, self._devices),
            *io_problems(config),
            *batch_io_problems(config),
        }
        if any(problem not in of_versions for problem in problems):
            raise_problems(problems)
        return tuple(problems)

    def _build_once(
        self, polled: PolledModel, version: PolledVersion, in_place: bool
    ) -> BuiltVersion:
        raise_problems(polled.problems)
        if polled.config.platform == ENSEMBLE:
            return self._build_ensemble(polled, version)
        backend = backend_of(polled.config, self._options.backend_directory)
        file = backend.file or model_file(backend, polled.config, version.directory)
        directory = polled.location.path
        context = self._completion_context(backend, version.version, directory)
        config = backend.complete(polled.config, file, context)
        self._name_what_is_ignored(config)
        labels = _labels(config, polled.location)
        lowered = lower(
            config,
            version.version,
            file if backend.needs_file else "",
            labels,
            self._options.delay_until_queued,
            _worker_text(backend, config, version.version, file, polled.location),
            self._options.python_worker_timeout_s,
            read_warmup(config, directory),
            sequences=lower_sequence(config, directory, self._options.delay_until_backlogged),
            executor=backend.executor,
        )
        lowered = replace(lowered, content_digest=self._digest(polled, version))
        changed = in_place and self._core.change_instances(lowered)
        built = None if changed else self._build(config, lowered)
        digest = lowered.content_digest
        return BuiltVersion(version.version, version.key, config, labels, built, digest)

    def _build_ensemble(self, polled: PolledModel, version: PolledVersion) -> BuiltVersion:
        own_labels = _labels(polled.config, polled.location)
        loaded = load_ensemble(polled.config, version.version, own_labels, self._composing)
        self._name_what_is_ignored(loaded.config)
        lowered = replace(loaded.lowered, content_digest=self._digest(polled, version))
        built = self._build(loaded.config, lowered)
        digest = lowered.content_digest
        return BuiltVersion(
            version.version, version.key, loaded.config, loaded.labels, built, digest
        )

    def _digest(self, polled: PolledModel, version: PolledVersion) -> str:
        """Return what tells servers that share answers whether they serve the same."""
        if not self._options.shares_answers:
            return ""
        files = version.key.shared_files | version.key.version_files
        return content_digest(polled.location.path, version.key.config, files)

    def _build(self, config: ModelConfig, lowered: CoreModelConfig) -> BuiltModel:
        if self._options.histogram_latencies:
            bounds = first_response_bounds_ms(config)
            lowered = replace(lowered, first_response_bounds_ms=bounds)
        return self._core.build_model(lowered)

    def _name_what_is_ignored(self, config: ModelConfig) -> None:
        for text in unsupported_features(config):
            self._log.warning(text)
        of_gpus = gpu_features(config)
        if of_gpus is not None:
            self._log.info(of_gpus)
        if config.model_metrics.metric_control and not self._options.histogram_latencies:
            self._log.info(
                f"'model_metrics.metric_control' has no effect for model '{config.name}' without "
                "--metrics-config histogram_latencies=true"
            )

    def _completion_context(
        self, backend: Backend, version: int, model_directory: Path
    ) -> CompletionContext:
        return CompletionContext(
            describe_onnx_model=self._core.describe_onnx_model,
            complete_python_model=self._complete_python_model,
            version=version,
            model_directory=model_directory,
            devices=self._devices,
            auto_complete=self._options.auto_complete,
            default_max_batch_size=default_max_batch_size(self._options, backend),
        )


def config_of_file(location: ModelLocation, tell: Tell = tell_nobody) -> ModelConfig:
    """Return the config of a model of a single file, which gives none. REQUIRES: it has a file."""
    assert location.file is not None
    is_python = location.file.suffix == ".py"
    config = ModelConfig(
        name=location.name,
        platform="" if is_python else "onnxruntime_onnx",
        backend="python" if is_python else "onnxruntime",
        default_model_filename=location.file.name,
    )
    for field, _ in config.ListFields():
        tell(field.name, "inferred: from the name of the file")
    return config


def default_max_batch_size(options: RepositoryOptions, backend: Backend) -> int:
    """Return what max_batch_size becomes where a model of the backend can batch."""
    sizes = dict(options.default_max_batch_sizes)
    return sizes.get(backend.name, sizes.get("", DEFAULT_MAX_BATCH_SIZE))


def backend_of(config: ModelConfig, directory: Path) -> Backend:
    """Return the backend that runs a model; `directory` has those that are Python programs.

    Raises TritonError where there is none, or where it cannot run this model.
    """
    reason = unsupported_scheduler(config)
    if reason is not None:
        raise UnsupportedError(reason)
    backend = find_backend(config, directory)
    if (config.batch_input or config.batch_output) and not backend.has_batch_io:
        raise InvalidArgError(  # the platforms are those of Triton's text
            "batch inputs and batch outputs are only supported for custom platform and TensorRT "
            "platform"
        )
    return backend


def model_file(backend: Backend, config: ModelConfig, directory: Path) -> Path:
    """Return the file of a version that its backend loads.

    Raises TritonError where that is not there, or not the model's own.
    """
    file = artefact_path(config, directory)
    # A config may come over the network: it may name no file but the model's own.
    relative = Path(config.default_model_filename)
    if relative.is_absolute() or ".." in relative.parts:
        raise InvalidArgError(
            f"default_model_filename '{config.default_model_filename}' of model '{config.name}' is "
            "outside of its version directory"
        )
    if backend.needs_file and not file.exists():
        raise backend.missing_file(file, f"{config.instance_group[0].name}_0")
    return file


def _labels(config: ModelConfig, location: ModelLocation) -> Mapping[str, tuple[str, ...]]:
    return {} if location.file is not None else read_labels(config, location.path)


def _worker_text(
    backend: Backend, config: ModelConfig, version: int, file: Path, location: ModelLocation
) -> str:
    """Return what workers of a version are started by; empty where the core runs it."""
    if backend.worker_spec is None:
        return ""
    spec = backend.worker_spec(config, version, file, location.path)
    return replace(spec, identifier=location.identifier).to_text()


def _mentions(file: Path, field: bytes) -> bool:
    """Return whether a config may have a field: parsing takes most of a small model's load."""
    try:
        return field in file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return False  # all of it is completed


def _fingerprint(config: ModelConfig) -> bytes:
    compared = ModelConfig()
    compared.CopyFrom(config)
    compared.ClearField("version_policy")
    compared.ClearField("instance_group")
    return _bytes_of(compared)


def _bytes_of(config: ModelConfig) -> bytes:
    return config.SerializeToString(deterministic=True)
