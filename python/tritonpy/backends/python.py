"""The Python backend: a model is a `model.py` that runs in worker processes.

A model may complete its own config: its `auto_complete_config` runs in a worker that does nothing
else and ends. That is spared for a model.py that plainly has none, for it imports all that the
model imports.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

from tritonpy.backends.backend import Backend, CompletionContext, MakeWorkerSpec
from tritonpy.config.config_json import config_from_json
from tritonpy.config.normalize import normalize
from tritonpy.config.provenance import Tell
from tritonpy.config.validate import require_valid
from tritonpy.errors import InternalError, InvalidArgError, TritonError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.worker_host import worker_spec

# What a model may say of itself (Triton's ModelConfig in the backend's own API).
_COMPLETED_FIELDS: Final = (
    "max_batch_size",
    "input",
    "output",
    "dynamic_batching",
    "model_transaction_policy",
)
MODEL_CLASS: Final = "TritonPythonModel"
_COMPLETION: Final = "auto_complete_config"
# CPython 3.11 counts the depth of all trees that are being made in one place, and gives up where
# two threads make one each.
_PARSING: Final = threading.Lock()
_CPU_ONLY_INPUTS: Final = "FORCE_CPU_ONLY_INPUT_TENSORS"


def complete_python(
    config: ModelConfig,
    file: Path,
    context: CompletionContext,
    make_spec: MakeWorkerSpec = worker_spec,
) -> ModelConfig:
    """Complete a config as `Backend.complete` does; a worker that helps runs by `make_spec`."""
    _require_known_values(config)
    completed = config
    if context.auto_complete and _may_complete(file):
        spec = make_spec(config, context.version, file, context.model_directory)
        said = context.complete_python_model(spec)
        if said is not None:
            completed = _completed(config, said, context.tell)
    completed = normalize(completed, context.devices, context.tell)
    require_valid(completed, context.devices)
    return completed


def _require_known_values(config: ModelConfig) -> None:
    if _CPU_ONLY_INPUTS in config.parameters:
        value = config.parameters[_CPU_ONLY_INPUTS].string_value
        if value not in ("yes", "no"):
            raise InvalidArgError(f"Incorrect value for {_CPU_ONLY_INPUTS}: {value}'")


def _may_complete(file: Path) -> bool:
    """Whether a model may complete its config; only a plain class without the method does not."""
    try:
        source = file.read_bytes()
        with _PARSING:
            module = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return True  # the worker says what is wrong with it
    classes = [
        node for node in module.body if isinstance(node, ast.ClassDef) and node.name == MODEL_CLASS
    ]
    return len(classes) != 1 or not is_plain(classes[0]) or _names_completion(classes[0])


def is_plain(node: ast.ClassDef) -> bool:
    """Whether a class has nothing but what its own body says."""
    bases_are_plain = all(isinstance(base, ast.Name) and base.id == "object" for base in node.bases)
    return bases_are_plain and not node.decorator_list and not node.keywords


def _names_completion(node: ast.ClassDef) -> bool:
    return any(
        (isinstance(inner, ast.FunctionDef) and inner.name == _COMPLETION)
        or (isinstance(inner, ast.Name) and inner.id == _COMPLETION)
        for inner in ast.walk(node)
    )


def _completed(config: ModelConfig, said: Mapping[str, Any], tell: Tell) -> ModelConfig:
    """Return `config` with what the model said in place of what it had."""
    fields = {name: said[name] for name in _COMPLETED_FIELDS if said.get(name) is not None}
    try:
        parsed = config_from_json(fields)
    except InvalidArgError as error:
        reason = error.message.partition(": ")[2]
        raise InternalError(
            f"{_COMPLETION} of model '{config.name}' returned a config that cannot be read: "
            f"{reason}"
        ) from error
    completed = ModelConfig()
    completed.CopyFrom(config)
    for name in fields:
        completed.ClearField(name)
    completed.MergeFrom(parsed)
    for path in _changed(config, completed, fields):
        tell(path, f"inferred: the model's own {_COMPLETION} says so")
    return completed


def _changed(before: ModelConfig, after: ModelConfig, fields: Iterable[str]) -> Iterator[str]:
    """Yield what the model said that the config did not say, tensors one by one."""
    for name in fields:
        old, new = getattr(before, name), getattr(after, name)
        if name in ("input", "output"):
            yield from (f"{name}[{tensor.name}]" for tensor in new if tensor not in old)
        elif old != new or (isinstance(new, Message) and not before.HasField(name)):
            yield name


def _missing_file(file: Path, _instance_name: str) -> TritonError:
    return InternalError(
        f"Failed to preinitialize Python stub: Python model file not found in '{file}'"
    )


PYTHON: Final = Backend(
    "python",
    needs_file=True,
    complete=complete_python,
    missing_file=_missing_file,
    worker_spec=worker_spec,
)
