"""Keeps a directory in step with a remote repository: one model at a time, whole or not at all.

Each model is a link to a copy beside it. A fetch makes a new copy, of files that the old one has
and of files that come over the network, and only when all are there, and still what the remote
lists, does the link move. So what a crash or a lost connection leaves is never a model.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Executor, wait
from dataclasses import astuple
from pathlib import Path, PurePosixPath

from tritonpy.errors import InvalidArgError, UnavailableError
from tritonpy.repository.cloud.remote_tree import (
    Listing,
    RemoteFile,
    RemoteTree,
    is_model_name,
)

_COPIES = ".copies"  # hidden from the layout
_NOTHING = "nothing"  # the copy of a model that was not fetched yet


class CloudMirror:
    """Thread-safe, for one fetch of each model at a time.

    Owns: what is below `directory`. Invariant: a copy that a link leads to is complete, and its
    files have not changed since they came.
    """

    def __init__(
        self,
        remote: RemoteTree,
        directory: Path,
        downloads: Executor,
        require_running: Callable[[], None],
    ) -> None:
        """Take up copies that an earlier process left in `directory`; blocks on the disk."""
        self.directory = directory
        self._remote = remote
        self._downloads = downloads
        self._require_running = require_running
        self._copies = directory / _COPIES
        (self._copies / _NOTHING).mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._listings: dict[str, Listing] = {}
        self._missed: set[str] = set()  # did not come when it was last fetched
        self._retries: dict[str, int] = {}  # looks that found a model missed
        self._held = self._read_held()

    @property
    def name(self) -> str:
        """The repository as the operator calls it."""
        return self._remote.url.text

    @property
    def namespace(self) -> str:
        """The repository in the identifiers of models."""
        return self.name.rstrip("/")

    def look(self) -> None:
        """List the remote repository; models come and go, and none is fetched. Blocks."""
        listings = self._remote.models()
        with self._lock:
            gone = self._listings.keys() - listings.keys()
            self._listings = listings
            for name in self._missed:
                self._retries[name] = self._retries.get(name, 0) + 1
            self._missed.clear()
        for name in listings:
            self._show(name)
        for name in gone:
            self._hide(name)

    def look_for(self, name: str) -> bool:
        """List one model; whether there is one. Blocks, and raises TritonError."""
        if not is_model_name(name):
            return False
        listing = self._remote.model(name)
        with self._lock:
            if listing is None:
                self._listings.pop(name, None)
            else:
                self._listings[name] = listing
        if listing is None:
            self._hide(name)
        else:
            self._show(name)
        return listing is not None

    def listing(self, name: str) -> Listing:
        """Return what the last look saw of a model."""
        with self._lock:
            return self._listings.get(name, frozenset())

    def retries(self, name: str) -> int:
        """Return how many looks came after a fetch of a model that failed: each is a reason to
        try again, although the remote lists what it did.
        """
        with self._lock:
            return self._retries.get(name, 0)

    def holds(self, name: str) -> bool:
        """Return whether there is a copy of a model, be it an old one."""
        return name in self._held

    @property
    def held(self) -> int:
        """How many models there are copies of."""
        return len(self._held)

    def fetch(self, name: str, *, look: bool) -> None:
        """Bring a model here as the last look saw it, or with `look` as it is now. Blocks.

        Raises TritonError where that fails, or the model changes meanwhile; what was there stays.
        """
        try:
            self._fetch(name, look)
        except UnavailableError:
            with self._lock:
                self._missed.add(name)
            raise

    def release(self, name: str) -> None:
        """Give back the disk space of a model that nobody serves."""
        if self._held.pop(name, None) is not None:
            copy = self._copy_of(name)
            self._point(name, _NOTHING)
            _remove(copy)

    def _fetch(self, name: str, look: bool) -> None:
        if look and not self.look_for(name):
            return
        listing = self.listing(name)
        if not listing or self._held.get(name) == listing:
            return
        copy = Path(tempfile.mkdtemp(dir=self._copies))
        try:
            self._fill(name, copy, listing)
            if self._remote.model(name) != listing:
                raise UnavailableError(f"'{self.name}/{name}' changed while it was fetched")
            manifest = json.dumps(sorted(astuple(file) for file in listing))
            copy.with_suffix(".json").write_text(manifest)
        except BaseException:
            _remove(copy)
            raise
        old = self._copy_of(name)
        self._point(name, copy.name)
        self._held[name] = listing
        _remove(old)

    def _fill(self, name: str, copy: Path, listing: Listing) -> None:
        held, old = self._held.get(name, frozenset()), self._copy_of(name)
        abandoned = threading.Event()

        def require_wanted() -> None:
            self._require_running()
            if abandoned.is_set():
                raise UnavailableError("another file could not be fetched")

        fetches = []
        try:
            for file in listing:
                target = copy / _inside(self.name, name, file)
                if file.path.endswith("/"):
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                if file in held:
                    os.link(old / file.path, target)
                    continue
                fetches.append(
                    self._downloads.submit(
                        self._remote.download, name, file, target, require_wanted
                    )
                )
            for fetch in fetches:
                fetch.result()
        except OSError as error:
            raise UnavailableError(
                f"failed to write a copy of '{self.name}/{name}': {error.strerror}"
            ) from error
        finally:
            abandoned.set()
            for fetch in fetches:
                fetch.cancel()
            wait(fetches)

    def _read_held(self) -> dict[str, Listing]:
        """Return what copies are whole, and remove everything else."""
        held: dict[str, Listing] = {}
        keep = {_NOTHING}
        for link in list(self.directory.iterdir()):
            if link.name == _COPIES or not link.is_symlink():
                continue
            copy = self._copy_of(link.name)
            try:
                rows = json.loads(copy.with_suffix(".json").read_text())
                listing = frozenset(RemoteFile(*row) for row in rows)
                is_whole = all(_is_there(copy, file) for file in listing)
            except (OSError, ValueError, TypeError):
                is_whole = False
            if not is_whole:
                link.unlink()
                continue
            held[link.name] = self._listings[link.name] = listing  # until a look tells otherwise
            keep |= {copy.name, f"{copy.name}.json"}
        for entry in list(self._copies.iterdir()):
            if entry.name not in keep:
                _remove(entry)
        return held

    def _show(self, name: str) -> None:
        if not (self.directory / name).is_symlink():
            self._point(name, _NOTHING)

    def _hide(self, name: str) -> None:
        copy = self._copy_of(name)
        (self.directory / name).unlink(missing_ok=True)
        if self._held.pop(name, None) is not None:
            _remove(copy)

    def _point(self, name: str, copy: str) -> None:
        """Let the model be `copy`, in one step for whoever looks."""
        fresh = self._copies / f"{name}.link"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path(_COPIES, copy))
        fresh.replace(self.directory / name)

    def _copy_of(self, name: str) -> Path:
        link = self.directory / name
        return self._copies / (link.readlink().name if link.is_symlink() else _NOTHING)


def _inside(repository: str, name: str, file: RemoteFile) -> PurePosixPath:
    parts = file.path.removesuffix("/").split("/")
    if {"", ".", ".."} & set(parts):
        raise InvalidArgError(f"'{repository}/{name}/{file.path}' is no path of a file")
    return PurePosixPath(*parts)


def _is_there(copy: Path, file: RemoteFile) -> bool:
    path = copy / file.path
    return path.is_dir() if file.path.endswith("/") else path.stat().st_size == file.size


def _remove(copy: Path) -> None:
    if copy.name == _NOTHING:
        return
    copy.with_suffix(".json").unlink(missing_ok=True)
    if copy.is_dir() and not copy.is_symlink():
        shutil.rmtree(copy, ignore_errors=True)
    else:
        copy.unlink(missing_ok=True)
