"""The table of models that a server logs at its start."""

from __future__ import annotations

from collections.abc import Sequence

from tritonpy.repository.index import IndexEntry
from tritonpy.repository.lifecycle import ModelState

_HEADER = ("Model", "Version", "Status")


def status_table(entries: Sequence[IndexEntry]) -> str:
    """Return one line a version, in columns Model, Version and Status.

    Models that nobody asked to load are left out.
    """
    rows = [_HEADER, *(_row(entry) for entry in entries if entry.state is not None)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    rule = "+".join(["", *("-" * (width + 2) for width in widths), ""])
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def _row(entry: IndexEntry) -> tuple[str, str, str]:
    version = "-" if entry.version is None else str(entry.version)
    status = "" if entry.state is None else entry.state.value
    if entry.state is not ModelState.READY and entry.reason:
        status += f": {' '.join(entry.reason.split())}"
    return entry.name, version, status
