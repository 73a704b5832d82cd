"""The `tritonpy` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from tritonpy import __version__
from tritonpy.options import (
    HelpRequested,
    OptionError,
    ServerOptions,
    UsageError,
    parse_options,
    usage,
)

_HELP = """Usage: tritonpy COMMAND

  serve     Serve a model repository, or one model file.
            `tritonpy serve --help` lists its options.

  --help     Show this text and exit.
  --version  Show the version and exit.

Options of `serve` may be given without it, as to tritonserver."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    first = words[0] if words else ""
    if first == "--version":
        print(f"tritonpy {__version__}")
        return 0
    if first in ("--help", "-h", "help"):
        print(_HELP)
        return 0
    if first == "serve":
        return _serve(words[1:], os.environ)
    if first.startswith("-"):
        return _serve(words, os.environ)
    print(_HELP, file=sys.stderr)
    if first:
        print(f"\ntritonpy: unknown command '{first}'", file=sys.stderr)
    return 1


def _serve(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        options = _read_options(arguments, environment)
    except HelpRequested:
        print(usage())
        return 0
    if options is None:
        return 1
    # Only now: the extension and the front ends take a moment to load.
    from tritonpy.server import serve

    return serve(options)


def _read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> ServerOptions | None:
    """Return the options, None when they are wrong; what there is to say goes to stderr.

    Raises HelpRequested.
    """
    try:
        parsed = parse_options(arguments, environment)
    except UsageError as error:
        print(f"{usage()}\n\n{error}", file=sys.stderr)
        return None
    except OptionError as error:
        print(error, file=sys.stderr)
        return None
    for warning in parsed.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return parsed.options
