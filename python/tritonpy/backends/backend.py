"""What the control plane must know of a backend; the core knows how it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tritonpy.config.instance_groups import Devices
from tritonpy.config.onnx_signature import OnnxSignature
from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.errors import TritonError, UnavailableError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.worker_host import WorkerSpec

# Reads an ONNX file, with the libraries of operators that it uses; blocks.
DescribeOnnxModel: TypeAlias = Callable[[str, Sequence[str]], OnnxSignature]
# Lets a model complete its own config; None where it has nothing to say.
CompletePythonModel: TypeAlias = Callable[[WorkerSpec], Mapping[str, Any] | None]
# Makes what the workers of one version are started with, of its config, number, file and directory.
MakeWorkerSpec: TypeAlias = Callable[[ModelConfig, int, Path, Path], WorkerSpec]


@dataclass(frozen=True, slots=True)
class CompletionContext:
    """What completing a config may need beside the config and the file."""

    describe_onnx_model: DescribeOnnxModel
    complete_python_model: CompletePythonModel  # blocks while the model's code runs
    version: int
    model_directory: Path
    devices: Devices
    auto_complete: bool
    default_max_batch_size: int
    tell: Tell = tell_nobody  # of each field that is filled


def unable_to_find(file: Path, instance_name: str) -> TritonError:
    """Return what is said of a model whose file is not there."""
    return UnavailableError(f"unable to find '{file}' for model instance '{instance_name}'")


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend: how a config that the core stage made is completed from the model's file.

    `complete` returns a config that is normalised and valid, and raises TritonError; it blocks.
    """

    name: str
    needs_file: bool
    complete: Callable[[ModelConfig, Path, CompletionContext], ModelConfig]
    missing_file: Callable[[Path, str], TritonError] = unable_to_find
    # Whether models get batch inputs and may have batch outputs.
    has_batch_io: bool = False
    # What workers that run the model are started with, where the backend has workers.
    worker_spec: MakeWorkerSpec | None = None
    # What runs every model of the backend, in place of a file that each model has.
    file: Path | None = None
    # The backend of the core that runs the models; "": the one of this name.
    executor: str = ""
