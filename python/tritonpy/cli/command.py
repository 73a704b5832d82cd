"""Finds the command that a line of words begins with, and runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, cast

from tritonpy import __version__

# What each command is, by name; its module has the same one.
_COMMANDS: Final = {
    "serve": "Serve a model repository, or one model file.",
    "init": "Make a model repository, or a model in one.",
    "validate": "Say everything that is wrong with model repositories; needs no server.",
    "config": "Print the config that a model really has, and where it comes from.",
    "models": "List the models of a running server.",
    "load": "Let a running server load models.",
    "unload": "Let a running server unload models.",
}
_HELP: Final = """Usage: tritonpy COMMAND

{commands}

`tritonpy COMMAND --help` tells more of a command, and lists its options.

  --help     Show this text and exit.
  --version  Show the version and exit.

Options of `serve` may be given without it, as to tritonserver."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    That is 0, or 1 where the command failed, or nobody read all that it said. Raises SystemExit(2)
    for words that a command other than `serve` does not understand, SystemExit(0) where it was
    asked for help.
    """
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `tritonpy models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left to flush
        return 1
    return status


def _run(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    first = words[0] if words else ""
    if first == "--version":
        print(f"tritonpy {__version__}")
        return 0
    if first in ("--help", "-h", "help"):
        print(_help())
        return 0
    if first in _COMMANDS:
        return _run_of(first)(words[1:])
    if first.startswith("-"):
        return _run_of("serve")(words)
    print(_help(), file=sys.stderr)
    if first:
        print(f"\ntritonpy: unknown command '{first}'", file=sys.stderr)
    return 1


def _run_of(command: str) -> Callable[[Sequence[str]], int]:
    # Only now: each command brings in what it needs, and some need much.
    run = import_module(f"tritonpy.cli.{command}").run
    return cast(Callable[[Sequence[str]], int], run)


def _help() -> str:
    width = max(map(len, _COMMANDS))
    lines = (f"  {name.ljust(width)}  {meaning}" for name, meaning in _COMMANDS.items())
    return _HELP.format(commands="\n".join(lines))
