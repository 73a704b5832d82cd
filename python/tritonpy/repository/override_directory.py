"""The files that a load call brings, in a directory that stands in for the model's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tritonpy.config.identifier import name_of, namespace_of
from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.repository.layout import ModelLocation


class OverrideDirectory:
    """A model's directory in a temporary place, gone with `close`.

    Owns: the directory. Invariant: nothing is written outside of it, whatever the paths say.
    """

    def __init__(self, identifier: str, files: Mapping[str, bytes]) -> None:
        """Write `files`, by path. InvalidArgError for one that leads elsewhere; blocks."""
        for path in files:
            _require_within(path)
        self._holder = TemporaryDirectory(prefix="tritonpy-")
        name = name_of(identifier)
        self.location = ModelLocation(
            name, Path(self._holder.name, name), namespace=namespace_of(identifier)
        )
        try:
            self.location.path.mkdir()
            for path, content in files.items():
                file = self.location.path / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        except OSError as error:
            self.close()
            raise InternalError(f"failed to write file override: {error}") from error

    def close(self) -> None:
        """Remove the files. What was loaded from them may not need them any more."""
        self._holder.cleanup()


def _require_within(path: str) -> None:
    given = Path(path)
    if not given.parts or given.is_absolute() or ".." in given.parts or "\0" in path:
        raise InvalidArgError(f"file override '{path}' is outside of the model's directory")
