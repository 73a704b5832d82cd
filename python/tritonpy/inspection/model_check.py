"""Checks one model: all that a load would find wrong with it, where a load stops at the first.

It goes the way of the repository's loader (read, complete, normalise, validate, versions, backend,
labels, warm-up) with the same functions, and goes on after what fails as far as that makes sense.
Nothing is loaded. Whether a Python model's `auto_complete_config` runs is the caller's choice; what
it would say is not known where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from tritonpy.backends import Backend, CompletePythonModel, CompletionContext
from tritonpy.config.autocomplete import (
    complete_from_files,
    fill_name,
    first_version_listing,
)
from tritonpy.config.instance_groups import Devices
from tritonpy.config.labels import read_labels
from tritonpy.config.lower_sequence import lower_sequence
from tritonpy.config.lower_warmup import read_warmup
from tritonpy.config.normalize import normalize
from tritonpy.config.onnx_signature import OnnxSignature
from tritonpy.config.pbtxt import parse_config
from tritonpy.config.platforms import ENSEMBLE
from tritonpy.config.provenance import Tell
from tritonpy.config.stages import require_directory_name
from tritonpy.config.unsupported import unsupported_features
from tritonpy.config.validate import validate
from tritonpy.errors import InternalError, InvalidArgError, TritonError
from tritonpy.inspection.advice import advice_on, closest
from tritonpy.inspection.config_problems import ConfigProblems
from tritonpy.inspection.layout_check import model_directory_problems, versions_of
from tritonpy.inspection.problem import Problem, Severity
from tritonpy.inspection.python_file import python_file_problems
from tritonpy.inspection.syntax_advice import syntax_problems
from tritonpy.options import RepositoryOptions
from tritonpy.protos.model_config_pb2 import ModelConfig, ModelWarmup
from tritonpy.repository.dependencies import with_namespaces
from tritonpy.repository.layout import ModelLocation, config_file
from tritonpy.repository.model_loader import (
    backend_of,
    config_of_file,
    default_max_batch_size,
    model_file,
)
from tritonpy.repository.version_policy import choose_versions
from tritonpy.worker_host import environment_path

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How a server would load the models, and who looks at their files for that."""

    describe_onnx_model: Callable[[str, Sequence[str]], OnnxSignature]
    complete_python_model: CompletePythonModel = lambda _: (
        None
    )  # by default runs no code of a model
    serving: RepositoryOptions = field(default_factory=RepositoryOptions)
    devices: Devices = field(default_factory=Devices)


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """What is known of a model after its check."""

    location: ModelLocation
    problems: tuple[Problem, ...]
    # Completed, as far as it was possible; None where there is no config to be read.
    config: ModelConfig | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)  # of what was filled, by field
    versions: tuple[int, ...] = ()  # that would serve
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by output
    of_config: ConfigProblems | None = None  # to say more of the config

    @property
    def is_sound(self) -> bool:
        """Whether a server would load it, as far as can be seen."""
        return self.config is not None and not any(
            problem.severity is Severity.ERROR for problem in self.problems
        )


def check_model(
    location: ModelLocation, options: CheckOptions, namespace_for: Callable[[str, str], str]
) -> CheckedModel:
    """Check one model, an ensemble as far as that is possible without the models of its steps.

    `namespace_for` is RepositoryLayout's.
    """
    try:
        return _ModelCheck(location, options, namespace_for).run()
    except OSError as error:
        problem = Problem(
            location.path, f"cannot be read: {error}", "let the server's user read it"
        )
        return CheckedModel(location, (problem,))


class _ModelCheck:
    """The check of one model. Confined."""

    def __init__(
        self,
        location: ModelLocation,
        options: CheckOptions,
        namespace_for: Callable[[str, str], str],
    ) -> None:
        self._namespace_for = namespace_for
        self._location = location
        self._options = options
        self._file = config_file(location, options.serving.config_name)
        self._problems: list[Problem] = []
        self._told: set[str] = set()
        self._labels: dict[str, tuple[str, ...]] = {}
        self._reasons: dict[str, str] = {}

    def run(self) -> CheckedModel:
        """Return what is known in the end."""
        text, given = self._given()
        if text is None or given is None:
            return CheckedModel(self._location, tuple(self._problems))
        of_config = self._of_config = ConfigProblems(self._shown_file, text, given)
        config = self._completed(given)
        for problem in validate(config, self._options.devices):
            self._tell(problem)
        for feature in unsupported_features(config):
            self._tell(feature, Severity.WARNING)
        versions = self._versions(config)
        if config.platform != ENSEMBLE and config.backend:
            config = self._check_versions(config, versions)
        self._check_data(config)
        return CheckedModel(
            self._location,
            tuple(self._problems),
            config,
            self._reasons,
            tuple(versions),
            self._labels,
            of_config,
        )

    @property
    def _shown_file(self) -> Path:
        if self._location.file is not None:
            return self._location.file
        return self._file if self._file.is_file() else self._location.path

    def _given(self) -> tuple[str | None, ModelConfig | None]:
        """Return the config that is given, as text too; None for a mistake that was told."""
        if self._location.file is not None:
            return "", config_of_file(self._location, self._reasons.__setitem__)
        self._problems += model_directory_problems(self._location, self._file)
        text = self._read()
        return text, None if text is None else self._parsed(text)

    def _read(self) -> str | None:
        """Return the config's text, empty where there is none to be read; None for a mistake."""
        if not self._file.is_file():
            if self._options.serving.auto_complete:
                return ""
            fix = "write one, or leave out --disable-auto-complete-config"
            self._problems.append(Problem(self._file, "there is no config", fix))
            return None
        try:
            return self._file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            fix = "save the file in UTF-8"
            self._problems.append(Problem(self._file, f"no UTF-8: {error.reason}", fix, line))
            return None

    def _parsed(self, text: str) -> ModelConfig | None:
        try:
            return parse_config(text, str(self._file))
        except InvalidArgError as error:
            self._problems += syntax_problems(self._file, text, error.message)
            return None

    def _completed(self, given: ModelConfig) -> ModelConfig:
        """Return the config with what the directory says, and every default."""
        if self._location.file is not None:
            return normalize(given, self._options.devices, self._reasons.__setitem__)
        name, tell = self._location.name, self._reasons.__setitem__
        config = with_namespaces(given, self._location.namespace, self._namespace_for, tell)
        self._try(partial(require_directory_name, given, name))
        if given.name:
            config.name = name  # said above, where it is another
        else:
            fill_name(config, name, tell)
        if self._options.serving.auto_complete:
            files = first_version_listing(self._location.path)
            found = self._try(partial(complete_from_files, config, name, files, tell))
            config = config if found is None else found
        return normalize(config, self._options.devices, tell)

    def _versions(self, config: ModelConfig) -> Mapping[int, Path]:
        """Return the directories of the versions that would serve."""
        directories, ignored = versions_of(self._location)
        self._problems += ignored
        choice = choose_versions(config.version_policy, directories)
        for version in choice.missing:
            self._problems.append(
                self._of_config.at(
                    "version_policy",
                    f"there is no directory of version {version}",
                    f"make {self._location.path / str(version)}, or remove the version here",
                )
            )
        if not choice.selected and not choice.missing:
            self._problems.append(
                Problem(
                    self._location.path,
                    "there is no version to serve",
                    f"put the model's file into {self._location.path / '1'} (for an ensemble an "
                    "empty directory)",
                )
            )
        return {version: directories[version] for version in choice.selected}

    def _check_versions(self, config: ModelConfig, versions: Mapping[int, Path]) -> ModelConfig:
        """Return the config as its backend completes it for the newest version."""
        backend = self._try(partial(backend_of, config, self._options.serving.backend_directory))
        if backend is None:
            return config
        completed, filled = config, self._reasons
        for version, directory in versions.items():
            file = self._model_file(backend, config, directory)
            if file is None:
                continue
            self._check_environment(backend, config, file, version)
            reasons = dict(filled)
            done = self._complete(backend, config, file, version, reasons.__setitem__)
            if done is not None:
                completed, self._reasons = done, reasons
        return completed

    def _model_file(self, backend: Backend, config: ModelConfig, directory: Path) -> Path | None:
        try:
            return backend.file or model_file(backend, config, directory)
        except InvalidArgError as error:
            self._tell(error.message)
        except TritonError as error:
            wanted = config.default_model_filename
            there = sorted(entry.name for entry in directory.iterdir())
            meant = closest(wanted, there) or next(
                (name for name in there if Path(name).suffix == Path(wanted).suffix), ""
            )
            fix = f"put the model's file '{wanted}' into that directory"
            if meant and "/" in wanted:
                fix = f'write default_model_filename: "{meant}", which lies in {directory}'
            elif meant:
                fix = (
                    f"rename '{meant}' to '{wanted}', or write default_model_filename: \"{meant}\""
                )
            self._problems.append(Problem(directory, error.message, fix))
        return None

    def _complete(
        self, backend: Backend, config: ModelConfig, file: Path, version: int, tell: Tell
    ) -> ModelConfig | None:
        if file.suffix == ".py":
            self._problems += python_file_problems(file)
        context = CompletionContext(
            describe_onnx_model=self._options.describe_onnx_model,
            complete_python_model=self._options.complete_python_model,
            version=version,
            model_directory=self._location.path,
            devices=self._options.devices,
            auto_complete=self._options.serving.auto_complete,
            default_max_batch_size=default_max_batch_size(self._options.serving, backend),
            tell=tell,
        )
        try:
            return backend.complete(config, file, context)
        except TritonError as error:
            self._tell_of_file(file, error)
        return None

    def _check_environment(
        self, backend: Backend, config: ModelConfig, file: Path, version: int
    ) -> None:
        if backend.worker_spec is not None:
            directory = self._location.path
            spec = backend.worker_spec(config, version, file, directory)
            if spec.execution_env_path:
                self._try(partial(environment_path, spec.execution_env_path, directory))

    def _tell_of_file(self, file: Path, error: TritonError) -> None:
        """Tell what a backend says: of the config, where a rule says it, else of the file."""
        if file.suffix == ".py" and isinstance(error, InternalError):  # a traceback, all one
            fix = "mend the model's auto_complete_config"
            self._problems.append(Problem(file, error.message, fix))
            return
        for text in error.message.split("\n"):
            if advice_on(text).fix or text in self._told:
                self._tell(text)
            else:
                fix = "export the model again, and copy the whole file"
                self._problems.append(Problem(file, text, fix))

    def _check_data(self, config: ModelConfig) -> None:
        """Check the files that a config names beside the model's own."""
        directory = self._location.path
        for output in config.output:
            only = ModelConfig(name=config.name, output=[output])
            path = f"output[{output.name}].label_filename"
            labels = self._try(
                partial(read_labels, only, directory),
                path,
                f"put '{output.label_filename}' into {directory}, one label a line",
            )
            self._labels.update(labels or {})
        for index, sample in enumerate(config.model_warmup):
            only = ModelConfig(name=config.name, model_warmup=[sample])
            self._try(
                partial(read_warmup, only, directory),
                f"model_warmup[{sample.name or index}]",
                f"put the file that the sample names into {directory / 'warmup'}",
            )
            self._check_warmup_inputs(config, sample)
        if config.HasField("sequence_batching") and not self._told:
            self._try(partial(lower_sequence, config, directory, 0))

    def _check_warmup_inputs(self, config: ModelConfig, sample: ModelWarmup) -> None:
        required = {tensor.name for tensor in config.input if not tensor.optional}
        missing = ", ".join(sorted(required - sample.inputs.keys()))
        if missing and not config.HasField("sequence_batching"):
            self._problems.append(
                self._of_config.at(
                    f"model_warmup[{sample.name}].inputs",
                    f"the warmup sample has no input {missing}",
                    f"write inputs with each of these as key: {missing}",
                )
            )

    def _try(self, step: Callable[[], _Result], path: str = "", fix: str = "") -> _Result | None:
        """Take a step of loading; tell what it says where it fails, and return None.

        `path` and `fix` are for what there is no advice on.
        """
        try:
            return step()
        except TritonError as error:
            for text in error.message.split("\n"):
                if fix and not advice_on(text).fix:
                    self._problems.append(self._of_config.at(path, text, fix))
                else:
                    self._tell(text)
        return None

    def _tell(self, text: str, severity: Severity = Severity.ERROR) -> None:
        """Tell what a rule says, once: some steps check rules again, or what follows from them."""
        problem = self._of_config.of(text, severity)
        is_news = text not in self._told and not any(
            problem.fix and (problem.field, problem.fix) == (other.field, other.fix)
            for other in self._problems
        )
        self._told.add(text)
        if is_news:
            self._problems.append(problem)
