"""What a load call gave in place of what is on disk; it stays until unload.

A config alone stays until the file on disk is newer; files, and the config that came with them,
until the next load.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.repository.layout import ModelLocation
from tritonpy.repository.override_directory import OverrideDirectory


@dataclass(frozen=True, slots=True)
class KeptOverride:
    """Owns: the directory, where there is one."""

    config: ModelConfig
    since_ns: int
    directory: OverrideDirectory | None = None

    @property
    def location(self) -> ModelLocation | None:
        """Where its files are, if it has any."""
        return self.directory.location if self.directory else None

    def config_for(self, location: ModelLocation, config_file: Path) -> ModelConfig | None:
        """Return the config that counts for a load from there; None: the one on disk does."""
        if self.directory is not None:
            return self.config if location == self.location else None
        return None if _modified_ns(config_file) > self.since_ns else self.config

    def close(self) -> None:
        """Remove its files."""
        if self.directory is not None:
            self.directory.close()


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
