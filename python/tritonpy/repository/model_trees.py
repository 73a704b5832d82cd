"""What poll mode sees of models on disk: their trees, and whether somebody still writes there."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from tritonpy.repository.layout import ModelLocation

# Path, modification time in ns, size, inode; of directories too, where an empty one is a version.
# In a cloud, which has no inodes, what it calls the content.
TreeEntry: TypeAlias = tuple[str, int, int, int | str]
ModelTree: TypeAlias = frozenset[TreeEntry]


def read_trees(models: Mapping[str, Iterable[ModelLocation]]) -> dict[str, ModelTree]:
    """Look at every file of every model, in all the places that a name has. Blocks on files."""
    return {name: _read_tree(places) for name, places in models.items()}


def is_being_written(places: Iterable[ModelLocation]) -> bool:
    """Return whether a file of a model is open for writing, as far as the system tells."""
    return any(_has_writer(path) for place in places for path in _paths_below(place))


def _read_tree(places: Iterable[ModelLocation]) -> ModelTree:
    entries: set[TreeEntry] = set()
    for place in places:
        for path in _paths_below(place):
            try:
                status = os.stat(path)
            except OSError:
                continue  # gone meanwhile: the next look will differ from this one
            entries.add((path, status.st_mtime_ns, status.st_size, status.st_ino))
    return frozenset(entries)


def _paths_below(place: ModelLocation) -> Iterator[str]:
    if place.file is not None:
        yield str(place.file)
        return
    yield str(place.path)
    try:
        entries = sorted(os.scandir(place.path), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        yield entry.path
        if os.path.isdir(entry.path):  # a version may be a link to where it really is
            for folder, folders, names in os.walk(entry.path):
                yield from (os.path.join(folder, name) for name in (*folders, *names))


def _has_writer(path: str) -> bool:
    """Ask for a read lease, which the kernel grants only while nobody has the file to write.

    Where the file system knows no leases, or the file is another user's, nobody can tell.
    """
    try:
        # Not blocking: a pipe in a model's directory must not hold up the look.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A writer that comes this moment is told by a signal; SIGIO would end the process.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False
