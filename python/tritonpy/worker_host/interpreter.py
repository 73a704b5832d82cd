"""Which Python runs a worker: the server's own, or the one that EXECUTION_ENV_PATH names.

That parameter of a model may be an interpreter, the directory of a virtual or conda environment, or
an archive of one, which is unpacked once into a cache. It may begin with $$TRITON_MODEL_DIRECTORY.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from tritonpy.errors import InternalError, InvalidArgError

MODEL_DIRECTORY: Final = "$$TRITON_MODEL_DIRECTORY"
_PROGRAMS: Final = ("bin/python3", "bin/python")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python program, and the directory of the environment that it belongs to, if one."""

    path: Path
    home: Path | None = None

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a worker: those of the server, with the environment activated."""
        variables = dict(inherited)
        if self.home is not None:
            variables.pop("PYTHONHOME", None)
            variables["VIRTUAL_ENV"] = variables["CONDA_PREFIX"] = str(self.home)
            search = (str(self.home / "bin"), inherited.get("PATH", os.defpath))
            variables["PATH"] = os.pathsep.join(search)
        return variables


class Interpreters:
    """Finds interpreters, unpacking archives into `cache`. Thread-safe; blocks on files."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._unpacking = threading.Lock()

    def find(self, execution_env_path: str, model_directory: Path) -> Interpreter:
        """Return the interpreter of a model, the server's own where it names none.

        Raises InvalidArgError for a path that leads to no interpreter, InternalError for an archive
        that cannot be unpacked.
        """
        if not execution_env_path:
            return Interpreter(Path(sys.executable))
        path = environment_path(execution_env_path, model_directory)
        if path.is_dir():
            return _interpreter_in(path, execution_env_path)
        if tarfile.is_tarfile(path):
            return _interpreter_in(self._unpacked(path), execution_env_path)
        if not os.access(path, os.X_OK):
            raise InvalidArgError(
                f"EXECUTION_ENV_PATH '{execution_env_path}' is neither an interpreter nor an "
                "environment"
            )
        return Interpreter(path)

    def _unpacked(self, archive: Path) -> Path:
        """Return the directory of an archive's content, which is made once for each archive."""
        status = archive.stat()
        identity = f"{archive.resolve()} {status.st_mtime_ns} {status.st_size}"
        directory = self._cache / hashlib.sha256(identity.encode()).hexdigest()[:32]
        with self._unpacking:
            if directory.is_dir():
                return directory
            try:
                self._cache.mkdir(parents=True, exist_ok=True)
                self._unpack(archive, directory)
            except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
                raise InternalError(f"failed to unpack environment '{archive}': {error}") from error
        return directory

    def _unpack(self, archive: Path, directory: Path) -> None:
        # Aside first: a directory that is there is complete, also for another server's eyes.
        aside = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", dir=self._cache))
        try:
            with tarfile.open(archive) as opened:
                # Which members may be extracted is decided here.
                opened.extraction_filter = lambda member, _: member
                for member in opened:
                    _extract(opened, member, aside)
            aside.rename(directory)
        except BaseException as error:
            shutil.rmtree(aside, ignore_errors=True)
            if not (isinstance(error, OSError) and directory.is_dir()):  # another server was faster
                raise


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Return where unpacked environments are kept for this user."""
    caches = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/tmp")) / ".cache"
    return Path(caches) / "tritonpy" / "environments"


def environment_path(execution_env_path: str, model_directory: Path) -> Path:
    """Return the directory, interpreter or archive that is meant; InvalidArgError for none."""
    if execution_env_path.startswith(MODEL_DIRECTORY):
        path = model_directory / execution_env_path.removeprefix(MODEL_DIRECTORY).lstrip("/")
    else:
        path = Path(execution_env_path).absolute()
    if not (path.is_dir() or path.is_file()):
        raise InvalidArgError(f"EXECUTION_ENV_PATH '{execution_env_path}' does not exist")
    return path


def _interpreter_in(home: Path, named: str) -> Interpreter:
    for program in _PROGRAMS:
        if os.access(home / program, os.X_OK):
            return Interpreter(home / program, home)
    raise InvalidArgError(f"EXECUTION_ENV_PATH '{named}' has no bin/python")


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    """Write one member below `directory`. Raises InternalError for one that may lie elsewhere."""
    _require_inside(member.name)
    if member.islnk():
        _require_inside(member.linkname)
    elif not (member.isfile() or member.isdir() or member.issym()):
        raise InternalError(f"'{member.name}' is neither a file, nor a directory, nor a link")
    target = directory / member.name
    if target == directory:
        return  # the archive's own top
    # Members before may be links that lead out.
    parent = target.parent.resolve()
    if not parent.is_relative_to(directory.resolve()):
        raise InternalError(f"'{member.name}' lies behind a link that leads out of the archive")
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    member.mode &= 0o755
    archive.extract(member, directory)


def _require_inside(name: str) -> None:
    if name.startswith("/"):
        raise InternalError("Path is absolute")
    if ".." in PurePosixPath(name).parts:
        raise InternalError("Path contains '..'")
