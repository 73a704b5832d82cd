"""`tritonpy config`: the config that a model really has, and where each part of it comes from."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tritonpy.cli.server_client import CallFailed, ServerClient
from tritonpy.cli.serving_options import add_serving_options, serving_options
from tritonpy.config import ModelConfig, config_from_json, config_to_json, print_config
from tritonpy.core import Core, Log, LogSettings, onnxruntime_library_path
from tritonpy.errors import TritonError
from tritonpy.inspection import CheckOptions, annotated, check_file, check_one
from tritonpy.options import PythonOptions, RepositoryOptions
from tritonpy.worker_host import WorkerHost, cache_directory

_DESCRIPTION = (
    "Print the config that a server would load a model with, as config.pbtxt, and after each field "
    "that the model's own config does not give why it is what it is. A Python model is asked as a "
    "server asks it: its auto_complete_config runs. With --url a running server is asked, which "
    "does not say what it filled in. The exit status is 1 where the model would not load, or there "
    "is no answer."
)


def run(arguments: Sequence[str]) -> int:
    """Print one model's config; return 1 where there is none."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.url is not None:
        return _print_served(parsed)
    path = Path(os.path.abspath(parsed.model))  # `.` has a name too, and links keep theirs
    repositories = parsed.repo or [path.parent]
    serving = serving_options(parser, parsed, *repositories)
    try:
        if not parsed.repo and path.is_file():
            model = check_file(path, *_means(serving))
        else:
            name = parsed.model if parsed.repo else path.name
            model = check_one(repositories, name, *_means(serving))
    except TritonError as error:
        print(f"tritonpy config: {error.message}", file=sys.stderr)
        return 1
    for problem in model.problems:
        print(problem, file=sys.stderr)
    if model.config is None or not model.is_sound:
        return 1
    print(_json(model.config) if parsed.json else annotated(model.config, model.reasons), end="")
    return 0


def _means(serving: RepositoryOptions) -> tuple[CheckOptions, Log]:
    """Return what a model is looked at with, as a server that is started like this would."""
    log = Log()
    log.configure(LogSettings(info=False, warning=False, error=False))  # it is all in the problems
    workers = WorkerHost(
        log,
        cache_directory(os.environ),
        verbose_level=lambda: 0,
        stub_timeout_s=PythonOptions().stub_timeout_s,
    )
    options = CheckOptions(
        Core(log, onnxruntime_library_path()).describe_onnx_model, workers.complete, serving
    )
    return options, log


def _print_served(parsed: argparse.Namespace) -> int:
    try:
        config = config_from_json(ServerClient(parsed.url).config(parsed.model))
    except (CallFailed, TritonError) as error:
        print(f"tritonpy config: {parsed.model}: {error}", file=sys.stderr)
        return 1
    print(_json(config) if parsed.json else print_config(config), end="")
    return 0


def _json(config: ModelConfig) -> str:
    return json.dumps(config_to_json(config), indent=2) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("tritonpy config", description=_DESCRIPTION)
    parser.add_argument(
        "model", help="the model's directory, or its file; with --repo or --url its name"
    )
    parser.add_argument(
        "--repo",
        "--model-repository",
        action="append",
        type=Path,
        metavar="PATH",
        help="directory of models that has it",
    )
    parser.add_argument("--url", help="HTTP address of a running server, which is asked instead")
    parser.add_argument("--json", action="store_true", help="as JSON, as the server's HTTP has it")
    add_serving_options(parser)
    return parser
