"""What a version was loaded from, in one text that is equal wherever its files are.

Servers that share answers tell by it whether they would give the same ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tritonpy.errors import InternalError
from tritonpy.repository.file_stamps import Stamp

_PIECE: Final = 1 << 20  # bytes of a file read at once


def content_digest(directory: Path, config: bytes, files: Iterable[Stamp]) -> str:
    """Return a digest of a config and of the contents of files below `directory`.

    Blocks as long as reading all of them takes. Raises InternalError when one cannot be read.
    """
    digest = hashlib.sha256()
    digest.update(b"%d:" % len(config) + config)
    for name in sorted(name for name, _, _ in files if "__pycache__" not in Path(name).parts):
        try:
            content = _file_digest(directory / name)
        except OSError as error:
            raise InternalError(f"failed to read '{directory / name}': {error}") from error
        digest.update(b"%d:" % len(name.encode()) + name.encode() + content)
    return digest.hexdigest()


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.digest()
