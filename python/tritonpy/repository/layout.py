"""Where models lie on disk: `<repository>/<model>/<version>/<file>`.

Nothing here reads a config or a model; it lists directories, and says which of them count.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tritonpy.config.identifier import identifier_of, name_of
from tritonpy.errors import NotFoundError, UnavailableError

# Directories beside the versions that hold something else.
_NOT_VERSIONS = frozenset(("configs", "initial_state", "warmup"))
_VERSION_MAX = 2**63 - 1


class Logger(Protocol):
    """What the repository asks of the server's log."""

    def info(self, text: str) -> None:
        """Log what an operator wants to know."""

    def warning(self, text: str) -> None:
        """Log what an operator should look at."""

    def error(self, text: str) -> None:
        """Log what went wrong."""


@dataclass(frozen=True, slots=True)
class ModelLocation:
    """One model on disk: its directory, or for a model of a single file that file."""

    name: str
    path: Path
    file: Path | None = None  # served as version 1, with no directory of its own
    namespace: str = ""  # the repository, where repositories may share names

    @property
    def identifier(self) -> str:
        """What tells the model from all others."""
        return identifier_of(self.name, self.namespace)


class RepositoryLayout:
    """The models of some repositories, or of one model file; looks afresh at every call.

    With `namespacing` each repository is a namespace, and identifiers tell models apart; without
    it they are the names, and one of two repositories that share a name is one too many.

    Thread-safe. A repository that cannot be read later on has no models meanwhile.
    Raises NotFoundError for one that is not a directory, UnavailableError for one that cannot be
    read from the start.
    """

    def __init__(
        self,
        repositories: Sequence[Path],
        log: Logger,
        model_file: Path | None = None,
        *,
        namespacing: bool = False,
        namespaces: Mapping[Path, str] | None = None,
    ) -> None:
        """`namespaces` are those of repositories whose place is not what they are called."""
        for given in repositories:
            _require_readable(given)
        self._repositories = tuple(dict.fromkeys(path.resolve() for path in repositories))
        self._namespacing = namespacing
        self._namespaces = namespaces or {}
        self._log = log
        self._lock = threading.Lock()
        self._unreadable: set[Path] = set()  # those that the log says so of
        self._single = None
        if model_file is not None:
            file = model_file.absolute()
            self._single = ModelLocation(model_name_of(file), file.parent, file)

    def models(self) -> dict[str, tuple[ModelLocation, ...]]:
        """Return where each model is, by identifier; more than one place is a name given twice."""
        found: dict[str, tuple[ModelLocation, ...]] = {}
        if self._single is not None:
            found[self._single.name] = (self._single,)
        for repository in self._repositories:
            for entry in self._directories_of(repository):
                location = self._location(repository, entry.name)
                known = found.get(location.identifier, ())
                found[location.identifier] = (*known, location)
        return dict(sorted(found.items()))

    @property
    def has_unreadable(self) -> bool:
        """Whether the last look missed a repository, so that absent models may be there yet."""
        with self._lock:
            return bool(self._unreadable)

    def locate(self, identifier: str) -> tuple[ModelLocation, ...]:
        """Return the places of one model, none where there is no such model."""
        return tuple(
            place for place in self.named(name_of(identifier)) if place.identifier == identifier
        )

    def named(self, name: str) -> tuple[ModelLocation, ...]:
        """Return the places of a name, of all namespaces."""
        if self._single is not None and name == self._single.name:
            return (self._single,)
        if not name or name.startswith("."):
            return ()
        places = (self._location(repository, name) for repository in self._repositories)
        # os.path: a name that no file can have is no error here.
        return tuple(place for place in places if os.path.isdir(place.path))

    def namespace_for(self, name: str, within: str) -> str:
        """Return the namespace of what an ensemble in `within` calls `name`: its own goes first.

        Else the only one that has it; empty, which is no namespace, where that leaves a choice, or
        where there are none.
        """
        if not self._namespacing:
            return ""
        found = [place.namespace for place in self.named(name)]
        return within if within in found else found[0] if len(found) == 1 else ""

    def _location(self, repository: Path, name: str) -> ModelLocation:
        namespace = self._namespaces.get(repository, str(repository)) if self._namespacing else ""
        return ModelLocation(name, repository / name, namespace=namespace)

    def _directories_of(self, repository: Path) -> list[Path]:
        try:
            found = _visible_directories(repository)
        except OSError as error:
            with self._lock:
                is_news = repository not in self._unreadable
                self._unreadable.add(repository)
            if is_news:
                self._log.warning(
                    f"model repository '{repository}' cannot be read: {_reason_of(error)}"
                )
            return []
        with self._lock:
            self._unreadable.discard(repository)
        return found


def model_name_of(file: Path) -> str:
    """Return a name for a model of a single file: its stem, of letters that need no quoting."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", file.stem).lstrip(".") or "model"


def config_file(location: ModelLocation, config_name: str) -> Path:
    """Return where the config of a model is, or would be: a custom one if the model has it."""
    if config_name:
        custom = location.path / "configs" / f"{config_name}.pbtxt"
        if custom.is_file():
            return custom
    return location.path / "config.pbtxt"


def version_directories(location: ModelLocation, log: Logger) -> Mapping[int, Path]:
    """Return the directory of each version, ascending; warns of directories that look wrong."""
    if location.file is not None:
        return {1: location.path}
    found: dict[int, Path] = {}
    for path in _visible_directories(location.path):
        if path.name in _NOT_VERSIONS:
            continue
        if not re.fullmatch(r"[0-9]+", path.name) or len(path.name) > len(str(_VERSION_MAX)):
            log.warning(
                f"ignore version directory '{path.name}' which fails to convert to integral number"
            )
        elif path.name.startswith("0"):
            log.warning(
                f"ignore version directory '{path.name}' which contains leading zeros in its "
                "directory name"
            )
        else:
            found[int(path.name)] = path
    return dict(sorted(found.items()))


def _require_readable(repository: Path) -> None:
    try:
        _visible_directories(repository)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"model repository '{repository}' is not a directory") from error
    except OSError as error:
        raise UnavailableError(
            f"model repository '{repository}' cannot be read: {_reason_of(error)}"
        ) from error


def _reason_of(error: OSError) -> str:
    return error.strerror or str(error)


def _visible_directories(path: Path) -> list[Path]:
    return sorted(
        entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
