"""`tritonpy init`: a first model in a repository, for somebody who has none yet.

Nothing that is there is changed: a model's directory is made, or the command fails.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Final

from tritonpy.config.platforms import default_filename
from tritonpy.errors import InvalidArgError, TritonError
from tritonpy.repository.layout import model_name_of
from tritonpy.repository.load_parameters import require_loadable_name

_DESCRIPTION = (
    "Make a model in a repository, and the repository where there is none: with --from a model "
    "file's, else an example in Python to be written over. Nothing that exists is overwritten. The "
    "exit status is 1 where nothing could be made."
)
_EXAMPLE_NAME: Final = "shout"
_EXAMPLE: Final = '''\
"""Says it louder. The annotations are the model's inputs and outputs."""

import tritonpy


@tritonpy.model
def shout(text: str, times: int) -> str:
    return text.upper() * times
'''
_EXAMPLE_REQUEST: Final = '{"text": "hi ", "times": 2}'
_ONNX_CONFIG: Final = """\
# Inputs, outputs and all that is not said here is read from the model's file. What that comes to:
#   tritonpy config {directory}
backend: "onnxruntime"

# Each of these is a choice that you may want to make.
# The largest batch that is formed of requests; 0 for a model without a batch dimension:
# max_batch_size: 16
# How long a request may wait for others to be run with:
# dynamic_batching {{ max_queue_delay_microseconds: 500 }}
# How many batches run at a time:
# instance_group [ {{ count: 1 kind: KIND_CPU }} ]
"""
_PYTHON_CONFIG: Final = """\
# What is not said here is filled in. What that comes to:
#   tritonpy config {directory}
backend: "python"

# Each of these is a choice that you may want to make.
# Inputs and outputs, where neither @tritonpy.model nor auto_complete_config says them:
# input [ {{ name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] }} ]
# output [ {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] }} ]
# How many processes run the model:
# instance_group [ {{ count: 2 kind: KIND_CPU }} ]
"""
_BACKENDS: Final = {".onnx": "onnxruntime", ".py": "python"}
_CONFIGS: Final = {"onnxruntime": _ONNX_CONFIG, "python": _PYTHON_CONFIG}


def run(arguments: Sequence[str]) -> int:
    """Make the model and say what to do next; return 1 where that is not possible."""
    parsed = _parser().parse_args(arguments)
    source: Path | None = parsed.source
    name = parsed.name or (_EXAMPLE_NAME if source is None else model_name_of(source))
    try:
        directory = _make(parsed.repository, name, source)
    except TritonError as error:
        print(f"tritonpy init: {error.message}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"tritonpy init: {error}", file=sys.stderr)
        return 1
    for file in sorted(path for path in directory.rglob("*") if path.is_file()):
        print(f"made {file}")
    print(f"next: tritonpy serve --model-repository {quote(str(parsed.repository))}")
    if source is None:
        url = f"localhost:8000/v2/models/{name}/generate"
        print(f"then: curl -d '{_EXAMPLE_REQUEST}' {quote(url)}")
    return 0


def _make(repository: Path, name: str, source: Path | None) -> Path:
    """Return the directory of the new model. InvalidArgError, OSError."""
    require_loadable_name(name)
    if name.startswith("."):
        raise InvalidArgError(f"invalid model name '{name}': a server does not see hidden files")
    backend = "python" if source is None else _backend_of(source)
    directory = repository / name
    try:
        directory.mkdir(parents=True)
    except FileExistsError as error:
        raise InvalidArgError(
            f"'{directory}' exists, and nothing is overwritten: give another --name"
        ) from error
    file = directory / "1" / default_filename("", backend)
    file.parent.mkdir()
    if source is None:
        file.write_text(_EXAMPLE)
    elif source.is_dir():
        shutil.copytree(source, file)
    else:
        shutil.copyfile(source, file)
    (directory / "config.pbtxt").write_text(_CONFIGS[backend].format(directory=directory))
    return directory


def _backend_of(source: Path) -> str:
    """Return what runs a model file, or a directory of one whose weights lie beside it."""
    if source.is_dir() and (source / default_filename("", "onnxruntime")).is_file():
        return "onnxruntime"
    if not source.is_file():
        raise InvalidArgError(f"there is no model file '{source}'")
    if source.suffix not in _BACKENDS:
        raise InvalidArgError(
            f"'{source}' is no model that can be served: give an .onnx file, a directory with a "
            "model.onnx, or a .py file"
        )
    return _BACKENDS[source.suffix]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("tritonpy init", description=_DESCRIPTION)
    parser.add_argument("repository", type=Path, help="directory of models; made where it is not")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="model to copy: an .onnx file, a directory with model.onnx and its weights, or a .py",
    )
    parser.add_argument("--name", help="the model's name; by default that of the file")
    return parser
