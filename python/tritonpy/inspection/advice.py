"""What to do about each rule that a config breaks: which field it is, and how it is mended.

The rules are checked elsewhere, in Triton's words, which name no field. Here each of those texts
has its advice; the first whose pattern is found in a text counts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from tritonpy.backends import BACKENDS
from tritonpy.config.platforms import PLATFORMS, backend_of_platform, is_known_backend
from tritonpy.inspection.scheduling_advice import SCHEDULING
from tritonpy.inspection.tensor_advice import TENSORS


@dataclass(frozen=True, slots=True)
class Advice:
    """Where a broken rule is broken, and what to do."""

    field: str = ""  # of the config: `input[INPUT0].dims`
    fix: str = ""


def advice_on(text: str) -> Advice:
    """Return the advice on what a rule, a completion or a backend says; empty where there is none.

    `text` is that of one problem.
    """
    for pattern, field, fix in _TABLE:
        found = re.search(pattern, text)
        if found is None:
            continue
        words = {name: value or "" for name, value in found.groupdict().items()}
        made = fix if isinstance(fix, str) else fix(words)
        return Advice(field.format(**words), made.format(**words))
    return Advice()


def closest(word: str, known: Iterable[str]) -> str:
    """Return the word that was probably meant; empty where none is like it."""
    # Case is what is most often wrong.
    by_lower = {name.lower(): name for name in known}
    begun = [name for name in by_lower if word and name.startswith(word.lower())]
    found = begun or difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else ""


def _backend_fix(words: dict[str, str]) -> str:
    if is_known_backend(words["backend"]) and words["backend"] not in BACKENDS:
        return (
            "export the model to ONNX, as 1/model.onnx, or run it in a Python model: this server "
            "has no backend for its format"
        )
    meant = closest(words["backend"], BACKENDS)
    known = ", ".join(f'"{name}"' for name in sorted(BACKENDS))
    if meant:
        return f'write backend: "{meant}"'
    return (
        f"use one of the backends of this server ({known}), or put a Python backend's model.py "
        "into <--backend-directory>/{backend}/"
    )


def _platform_fix(words: dict[str, str]) -> str:
    known = [name for name in (*(one.platform for one in PLATFORMS), "ensemble") if name]
    meant = closest(words["platform"], known)
    return f'write platform: "{meant}"' if meant else 'give a backend instead: backend: "python"'


def _pair_fix(words: dict[str, str]) -> str:
    owner = backend_of_platform(words["platform"])
    instead = f', or write backend: "{owner}"' if owner else ""
    return f"remove 'platform': the backend alone is enough{instead}"


_MODEL: Final[tuple[tuple[str, str, str | Callable[[dict[str, str]], str]], ...]] = (
    (
        r"unexpected directory name '(?P<directory>[^']*)' for model",
        "name",
        "write name: \"{directory}\", or remove 'name': the directory gives it",
    ),
    (
        r"Could not determine backend|must specify 'platform' or 'backend'",
        "backend",
        "put the model's file into its version directory (1/model.onnx or 1/model.py), or write "
        'backend: "onnxruntime" or "python"',
    ),
    (r"must have platform type 'ensemble' and empty backend", "backend", "remove 'backend'"),
    (r"unexpected platform type '(?P<platform>[^']*)'", "platform", _platform_fix),
    (r"'platform' and 'backend' pair, got:(?P<platform>\S*), ", "platform", _pair_fix),
    (r"unable to find backend library for backend '(?P<backend>[^']*)'", "backend", _backend_fix),
    (
        r"unable to find backend library '|backend library name '|is the shared library",
        "runtime",
        "remove 'runtime', or name a Python file that lies in the backend's directory",
    ),
    (
        r"'max_batch_size' must be non-negative",
        "max_batch_size",
        "write the largest batch that the model takes, or 0 for a model without a batch dimension",
    ),
    (
        r"default_model_filename '[^']*' .* is outside",
        "default_model_filename",
        "name a file of the version directory, without '..' or a leading '/'",
    ),
    (
        r"instance group (?P<group>.*) of model .* kind KIND_GPU but",
        "instance_group[{group}].kind",
        "write kind: KIND_CPU, or remove the kind: this server runs models on CPUs",
    ),
    (
        r"instance group (?P<group>.*) of model .* but specifies one or more GPUs",
        "instance_group[{group}].gpus",
        "remove 'gpus': only groups of KIND_GPU have them",
    ),
    (
        r"instance group (?P<group>.*) of model .* specifies count .* at most (?P<most>\d+)",
        "instance_group[{group}].count",
        "write a count of at most {most}; about as many as there are cores is usual",
    ),
    (
        r"must specify 'metric_identifier'|non-empty 'family'",
        "model_metrics.metric_control",
        'write metric_identifier {{ family: "nv_inference_first_response_histogram_ms" }}',
    ),
    (
        r"must specify 'histogram_options'|non-empty 'buckets'",
        "model_metrics.metric_control",
        "write histogram_options {{ buckets: [ 1, 10, 100 ] }}",
    ),
    (
        r"must specify 'buckets' that ascend",
        "model_metrics.metric_control",
        "write each bound once, the smallest first: buckets: [ 1, 10, 100 ]",
    ),
    (
        r"Response Cache does not currently support",
        "response_cache",
        "remove 'response_cache'",
    ),
    (
        r"parameter '(?P<name>\w+)' must be",
        "parameters[{name}]",
        "write a value as the message says, or remove the parameter",
    ),
    (
        r"parameter '(?P<name>\w+)' is not possible",
        "parameters[{name}]",
        "remove the parameter, or what the message says it does not go with",
    ),
    (
        r"FORCE_CPU_ONLY_INPUT_TENSORS",
        "parameters[FORCE_CPU_ONLY_INPUT_TENSORS]",
        'write string_value: "yes" or "no"',
    ),
    (
        r"EXECUTION_ENV_PATH '",
        "parameters[EXECUTION_ENV_PATH]",
        "name a directory with bin/python, an interpreter, or a packed environment; "
        "$$TRITON_MODEL_DIRECTORY stands for the model's directory",
    ),
    (
        r"unknown Execution Accelerator",
        "optimization.execution_accelerators",
        "remove the accelerator: ONNX models run on the CPU without one",
    ),
    (
        r"'sequence_batching.state' is not supported by backend",
        "sequence_batching.state",
        "keep the state in the model itself, or serve it as an ONNX model",
    ),
    (
        r"metric family '|Metric family '",
        "model_metrics.metric_control",
        'write family: "nv_inference_first_response_histogram_ms", the only one there is',
    ),
    (
        r"'(?P<field>[\w.]+)' has no effect for model ",
        "{field}",
        "remove it, or live without what it asks for",
    ),
)
_TABLE: Final = (*_MODEL, *SCHEDULING, *TENSORS)
