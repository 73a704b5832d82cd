"""All cloud repositories of one server, as the model repository works with them."""

from __future__ import annotations

import fcntl
import hashlib
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tritonpy.config.identifier import name_of, namespace_of
from tritonpy.errors import InvalidArgError, TritonError, UnavailableError
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository.cloud.mirror import CloudMirror
from tritonpy.repository.cloud.patience import Patience
from tritonpy.repository.cloud.remote_tree import RemoteTree, no_client, open_remote_tree
from tritonpy.repository.layout import Logger, ModelLocation
from tritonpy.repository.model_trees import ModelTree, TreeEntry, read_trees

_DOWNLOADS: Final = 8  # files that come at once, of all models
_MOUNTS: Final = {
    "s3": "TRITON_AWS_MOUNT_DIRECTORY",
    "gs": "TRITON_GCS_MOUNT_DIRECTORY",
    "as": "TRITON_AZURE_MOUNT_DIRECTORY",
}


class Mirrors:
    """Thread-safe; of no cloud at all, too. Owns the copies: they are gone with `close`."""

    def __init__(
        self, log: Logger, *, cache: Path | None = None, look_before_fetch: bool = False
    ) -> None:
        """`cache` is where copies stay for the next server; else they are gone with this one.

        `look_before_fetch`: a fetch brings what is there now, not what the last look saw.
        """
        self._log = log
        self._cache = cache
        self._look_before_fetch = look_before_fetch
        self._mirrors: tuple[CloudMirror, ...] = ()
        self._unreadable: set[str] = set()  # those that the log says so of
        self._downloads = ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="cloud-fetch")
        self._stopping = threading.Event()
        self._places = ExitStack()  # of the copies

    def add(self, remote: RemoteTree, place: Path | None = None) -> None:
        """Mirror one repository, in a temporary directory of `place` unless copies are kept.

        InternalError with Triton's text where it cannot be read and no copies are kept; those serve
        until it can. Blocks on the network.
        """
        if self._cache is None:
            directory = self._temporary(place)
        else:
            directory = self._kept(self._cache, remote.url.text)
        mirror = CloudMirror(remote, directory, self._downloads, self._require_running)
        try:
            mirror.look()
        except TritonError as error:
            if not mirror.held:
                raise no_client(remote, error) from error
            self._note_unreadable(mirror, error)
            self._log.warning(
                f"model repository '{mirror.name}': serving the copies of {mirror.held} models in "
                f"'{self._cache}', which may be old"
            )
        self._mirrors = (*self._mirrors, mirror)

    @property
    def directories(self) -> tuple[Path, ...]:
        """Where the repositories are on this machine."""
        return tuple(mirror.directory for mirror in self._mirrors)

    @property
    def namespaces(self) -> dict[Path, str]:
        """What each of the directories is called by whoever names a model's repository."""
        return {mirror.directory: mirror.namespace for mirror in self._mirrors}

    def look(self) -> None:
        """List every repository; one that cannot be read stays as it was seen last. Blocks."""
        for mirror in self._mirrors:
            try:
                mirror.look()
            except TritonError as error:
                if mirror.name not in self._unreadable:
                    self._note_unreadable(mirror, error)
            else:
                if mirror.name in self._unreadable:
                    self._unreadable.remove(mirror.name)
                    self._log.info(f"model repository '{mirror.name}' can be read again")

    def look_for(self, name: str) -> None:
        """Find out which repositories have a model of that name. Blocks; TritonError."""
        for mirror in self._mirrors:
            mirror.look_for(name)

    def trees(self, models: Mapping[str, Iterable[ModelLocation]]) -> dict[str, ModelTree]:
        """Return as read_trees, but of what is in a cloud what the last look saw there."""
        by_directory = {mirror.directory: mirror for mirror in self._mirrors}
        here: dict[str, list[ModelLocation]] = {}
        away: dict[str, set[TreeEntry]] = {}
        for name, places in models.items():
            here[name], away[name] = [], set()
            for place in places:
                mirror = by_directory.get(place.path.parent)
                if mirror is None:
                    here[name].append(place)
                    continue
                away[name] |= {
                    (f"{mirror.name}/{place.name}/{file.path}", 0, file.size, file.identity)
                    for file in mirror.listing(place.name)
                }
                away[name].add((mirror.name, mirror.retries(place.name), 0, ""))
        return {name: tree | away[name] for name, tree in read_trees(here).items()}

    def fetch(self, identifier: str, *, serves: bool = False) -> None:
        """Bring a model here from wherever it is, if it is in a cloud. Blocks.

        Raises TritonError where that fails, and leaves what was there. A copy that was kept will do
        for a model of which nothing `serves`.
        """
        name = name_of(identifier)
        for mirror in self._mirrors_of(identifier):
            try:
                mirror.fetch(name, look=self._look_before_fetch)
            except UnavailableError as error:
                if serves or self._cache is None or not mirror.holds(name):
                    raise
                self._require_running()
                self._log.warning(
                    f"'{mirror.name}/{name}' is loaded from its copy in '{self._cache}', which may "
                    f"be old: {error.message}"
                )

    def release(self, identifier: str) -> None:
        """Give back the disk space of a model that nobody serves, unless copies are kept."""
        if self._cache is None:
            for mirror in self._mirrors_of(identifier):
                mirror.release(name_of(identifier))

    def stop(self) -> None:
        """Let fetches that run fail soon, and none begin; returns at once."""
        self._stopping.set()

    def close(self) -> None:
        """Remove the copies that are not kept. Blocks until fetches have ended."""
        self.stop()
        self._downloads.shutdown()
        self.remove()

    def remove(self) -> None:
        """Remove the copies that are not kept, whoever still uses them."""
        self._places.close()

    def _mirrors_of(self, identifier: str) -> list[CloudMirror]:
        namespace = namespace_of(identifier)
        return [one for one in self._mirrors if namespace in ("", one.namespace)]

    def _note_unreadable(self, mirror: CloudMirror, error: TritonError) -> None:
        self._unreadable.add(mirror.name)
        self._log.warning(f"model repository '{mirror.name}' cannot be read: {error.message}")

    def _require_running(self) -> None:
        if self._stopping.is_set():
            raise UnavailableError("Server exiting")

    def _temporary(self, place: Path | None) -> Path:
        holder = TemporaryDirectory(prefix="tritonpy-", dir=place, ignore_cleanup_errors=True)
        return Path(self._places.enter_context(holder)).resolve()

    def _kept(self, cache: Path, repository: str) -> Path:
        directory = cache.resolve() / hashlib.sha256(repository.encode()).hexdigest()[:32]
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lock = self._places.enter_context((directory / ".lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnavailableError(
                f"another server keeps copies of '{repository}' in '{cache}'"
            ) from error
        except OSError as error:
            raise UnavailableError(f"cannot keep copies in '{cache}': {error.strerror}") from error
        return directory


def open_mirrors(
    options: RepositoryOptions, environment: Mapping[str, str], log: Logger
) -> Mirrors:
    """Connect to every cloud repository and list it; fetch nothing yet. Blocks on the network.

    Raises as open_remote_tree and Mirrors.add; what was begun is gone then.
    """
    # Who polls loads what two looks agree on; who is asked for a model loads what there is.
    is_asked = options.control_mode is ControlMode.EXPLICIT
    patience = Patience(options.cloud_timeout_s, options.cloud_attempts)
    mirrors = Mirrors(log, cache=options.cloud_cache, look_before_fetch=is_asked)
    try:
        for repository in options.clouds:
            remote = open_remote_tree(repository, environment, patience)
            mirrors.add(remote, _mount(remote.url.scheme, environment))
    except BaseException:
        mirrors.close()
        raise
    return mirrors


def _mount(scheme: str, environment: Mapping[str, str]) -> Path | None:
    given = environment.get(_MOUNTS[scheme])
    if given and not Path(given).is_dir():
        raise InvalidArgError(f"{_MOUNTS[scheme]} '{given}' is not a directory")
    return Path(given) if given else None
