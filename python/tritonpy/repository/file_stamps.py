"""Whether the files of a model changed since it was loaded, by their times and sizes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tritonpy.repository.layout import ModelLocation
from tritonpy.rollouts.plan import FILE_NAME as ROLLOUT_FILE

# Path relative to the model's directory, modification time in ns, size.
Stamp: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class FileStamps:
    """The files of a model at one moment: those that every version shares, and each version's.

    Config files do not count: what they say is compared, not when they were written. Nor does the
    file of a rollout: it says who gets which version, and not what the version is.
    """

    shared: frozenset[Stamp]
    versions: dict[str, frozenset[Stamp]]  # by directory name

    def of_version(self, version: int) -> tuple[frozenset[Stamp], frozenset[Stamp]]:
        """Return everything that decides whether `version` must be loaded again."""
        return self.shared, self.versions.get(str(version), frozenset())


def read_stamps(location: ModelLocation) -> FileStamps:
    """Look at every file of a model. Blocks on the file system; files that vanish do not count."""
    if location.file is not None:
        return FileStamps(frozenset(_stamps_of((location.file,), location.path)), {})
    shared: list[Path] = []
    versions: dict[str, frozenset[Stamp]] = {}
    with os.scandir(location.path) as entries:
        for entry in entries:
            path = Path(entry.path)
            if not entry.is_dir():
                if entry.name not in ("config.pbtxt", ROLLOUT_FILE):
                    shared.append(path)
            elif entry.name.isdecimal():
                versions[entry.name] = frozenset(_stamps_of(_files_below(path), location.path))
            elif entry.name != "configs":
                shared.extend(_files_below(path))
    return FileStamps(frozenset(_stamps_of(shared, location.path)), versions)


def _files_below(path: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(path):
        for name in names:
            yield Path(folder, name)


def _stamps_of(
    files: Iterator[Path] | list[Path] | tuple[Path, ...], root: Path
) -> Iterator[Stamp]:
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        yield str(file.relative_to(root)), status.st_mtime_ns, status.st_size
