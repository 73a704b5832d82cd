"""What an agent is told of a model, and how it hands over another place for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class AgentModel:
    """One model in the hands of one agent. Confined to the thread that loads or unloads it.

    Owns the directories that it gave: they are there as long as the model serves from them.
    """

    name: str
    parameters: Mapping[str, str]  # of this agent in the model's config
    # Where the model is, a directory of its name; an agent that sets it hands the model over from
    # there, to agents that come after it and to the server.
    location: Path
    _acquired: list[Path] = field(default_factory=list)

    def acquire_location(self) -> Path:
        """Return an empty directory of the model's name, to put another form of it into."""
        holder = Path(tempfile.mkdtemp(prefix="tritonpy-agent-"))
        self._acquired.append(holder)
        directory = holder / self.name
        directory.mkdir()
        return directory

    def release_locations(self) -> None:
        """Remove every directory that was given; the server calls it after the last action."""
        for directory in self._acquired:
            shutil.rmtree(directory, ignore_errors=True)
        self._acquired.clear()
