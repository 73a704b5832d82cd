"""The repository index: every model that there is, and the state of every version of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tritonpy.config.identifier import name_of
from tritonpy.repository.layout import ModelLocation
from tritonpy.repository.lifecycle import ModelState, ModelStatus
from tritonpy.repository.model_table import DUPLICATE


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One line of the repository index. A model that was never loaded has only a name."""

    name: str
    version: int | None = None
    state: ModelState | None = None
    reason: str = ""


def index_entries(
    statuses: Mapping[str, ModelStatus], places: Mapping[str, Sequence[ModelLocation]]
) -> Iterator[IndexEntry]:
    """Yield the index of models that were ever to load, and of those on disk, both by identifier.

    Ordered by the names that clients know.
    """
    for model in sorted(statuses.keys() | places.keys(), key=lambda one: (name_of(one), one)):
        yield from _entries_of(name_of(model), statuses.get(model), len(places.get(model, ())))


def _entries_of(name: str, status: ModelStatus | None, places: int) -> list[IndexEntry]:
    versions = {} if status is None else status.versions
    entries = [
        IndexEntry(name, version, of_version.state, of_version.reason)
        for version, of_version in versions.items()
    ]
    reason = "" if status is None else status.reason
    if reason in ("", DUPLICATE) and not versions:
        reason = DUPLICATE if places > 1 else ""  # as it is now
    if reason:
        entries.append(IndexEntry(name, None, ModelState.UNAVAILABLE, reason))
    return entries or [IndexEntry(name)]
