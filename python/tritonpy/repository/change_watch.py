"""Decides in poll mode which models have changed and hold still: nothing half written is loaded.

A copy takes time, and whoever loads from its middle serves half a model. So a change counts when
two looks in a row saw the same tree, and nobody has a file of it open for writing. A name that
vanishes is treated alike: who replaces a directory takes it away for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tritonpy.repository.model_trees import ModelTree

_ABSENT: ModelTree = frozenset()


@dataclass(frozen=True, slots=True)
class Changes:
    """What one look found."""

    changed: tuple[str, ...] = ()  # new, or other than when it was last acted on; to be loaded
    removed: tuple[str, ...] = ()
    unsettled: bool = False  # something still changes: look again soon


class ChangeWatch:
    """Compatible. Every change is returned once; a model that fails waits for its next change."""

    def __init__(self, is_being_written: Callable[[str], bool]) -> None:
        """`is_being_written` tells of a model's name whether its files are still open."""
        self._is_being_written = is_being_written
        self._acted_on: dict[str, ModelTree] = {}
        self._seen: dict[str, ModelTree] = {}

    def begin(self, trees: Mapping[str, ModelTree]) -> tuple[str, ...]:
        """Return what to load at start: everything, but for what is being written."""
        complete = tuple(name for name in trees if not self._is_being_written(name))
        self._acted_on = {name: trees[name] for name in complete}
        return complete

    def look(self, trees: Mapping[str, ModelTree], *, all_seen: bool = True) -> Changes:
        """Compare with the looks before; without `all_seen` what is absent may only be unseen."""
        changed: list[str] = []
        removed: list[str] = []
        moving: dict[str, ModelTree] = {}
        for name in sorted(trees.keys() | (self._acted_on.keys() if all_seen else ())):
            tree = trees.get(name, _ABSENT)
            if tree == self._acted_on.get(name, _ABSENT):
                continue
            if self._seen.get(name) != tree or self._is_being_written(name):
                moving[name] = tree
            elif tree == _ABSENT:
                removed.append(name)
                del self._acted_on[name]
            else:
                changed.append(name)
                self._acted_on[name] = tree
        self._seen = moving
        return Changes(tuple(changed), tuple(removed), unsettled=bool(moving))
