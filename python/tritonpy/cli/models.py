"""`tritonpy models`: what a running server has, and in which state."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from tritonpy.cli.server_client import CallFailed, ServerClient, add_url

_COLUMNS: Final = ("name", "version", "state", "reason")


def run(arguments: Sequence[str]) -> int:
    """Print one line for each version of each model; return 1 where there is no answer."""
    parser = argparse.ArgumentParser(
        "tritonpy models",
        description="List the models of a running server: those of its repositories, and each "
        "version that was to load with its state, and the reason where that is not READY.",
    )
    parser.add_argument("--ready", action="store_true", help="only those that serve")
    add_url(parser)
    parsed = parser.parse_args(arguments)
    try:
        models = ServerClient(parsed.url).index(ready_only=parsed.ready)
    except CallFailed as error:
        print(f"tritonpy models: {error}", file=sys.stderr)
        return 1
    rows = [_COLUMNS, *(tuple(_cell(model, column) for column in _COLUMNS) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def _cell(model: dict[str, str], column: str) -> str:
    """Return one value on one line; `-` where there is none, so that columns can be counted."""
    return " ".join(model.get(column, "").split()) or "-"
