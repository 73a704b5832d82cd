"""`tritonpy validate`: all that is wrong with model repositories, said before a server does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tritonpy.cli.serving_options import add_serving_options, serving_options
from tritonpy.core import Core, Log, LogSettings, onnxruntime_library_path
from tritonpy.errors import TritonError
from tritonpy.inspection import CheckOptions, Problem, Severity, check_repositories

_DESCRIPTION = (
    "Check every model of the repositories as `tritonpy serve` would load it, and print all that "
    "is wrong: file, line, field, and what to do about it. Loads no model and runs no code of a "
    "model. The exit status is 0 where every model would load, warnings or not, 1 where one would "
    "not or there is no repository, and 2 for words that mean nothing here."
)


def run(arguments: Sequence[str]) -> int:
    """Print all problems; return 1 where one is an error, or where there is no repository."""
    parser = argparse.ArgumentParser("tritonpy validate", description=_DESCRIPTION)
    parser.add_argument("repository", nargs="+", type=_directory, help="directory of models")
    add_serving_options(parser)
    parsed = parser.parse_args(arguments)
    log = Log()
    log.configure(LogSettings(info=False, warning=False))  # what is wrong is told below
    options = CheckOptions(
        describe_onnx_model=Core(log, onnxruntime_library_path()).describe_onnx_model,
        serving=serving_options(parser, parsed, *parsed.repository),
    )
    try:
        checked = check_repositories(parsed.repository, options, log)
    except TritonError as error:
        print(f"tritonpy validate: {error.message}", file=sys.stderr)
        return 1
    for problem in checked.problems:
        print(problem)
    errors = _count(checked.problems, Severity.ERROR)
    warnings = _count(checked.problems, Severity.WARNING)
    print(f"models: {len(checked.models)}, errors: {errors}, warnings: {warnings}")
    return 1 if errors else 0


def _count(problems: Sequence[Problem], severity: Severity) -> int:
    return sum(problem.severity is severity for problem in problems)


def _directory(text: str) -> Path:
    if "://" in text:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no directory of this machine: copy the models here to check them"
        )
    return Path(text)
