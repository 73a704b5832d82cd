"""Files that a config names: the model's own, for a config may come over the network."""

from __future__ import annotations

import os
from pathlib import Path


def leads_out(name: str) -> bool:
    """Return whether a relative path leaves the directory that it starts in."""
    path = Path(os.path.normpath(name))
    return path.is_absolute() or ".." in path.parts
