"""Model repositories on disk for tests, and a repository object over them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.python.repository.fake_core import FakeCore, RecordingLog
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository import Clock, ModelRepository

IDENTITY = """
backend: "identity"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""


def write_model(
    repository: Path,
    name: str,
    versions: Iterable[int | str] = (1,),
    config: str | None = None,
) -> Path:
    """Write a model with one file for each version; without a config it is an ONNX model."""
    directory = repository / name
    directory.mkdir(parents=True, exist_ok=True)
    for version in versions:
        (directory / str(version)).mkdir(exist_ok=True)
        (directory / str(version) / "model.onnx").write_text(f"{name} {version}")
    if config is not None:
        (directory / "config.pbtxt").write_text(config)
    return directory


def touch(path: Path, time_ns: int) -> None:
    """Set the modification time of a file."""
    os.utime(path, ns=(time_ns, time_ns))


@dataclass
class Fixture:
    """A repository object over one directory, with everything that a test may look at."""

    root: Path
    core: FakeCore = field(default_factory=FakeCore)
    log: RecordingLog = field(default_factory=RecordingLog)
    wall_ns: int = 1_000_000_000

    def open_polling(self, *others: Path) -> ModelRepository:
        """Open the repository in poll mode, where a test calls `poll` itself; start it."""
        given = RepositoryOptions(
            paths=(self.root, *others), control_mode=ControlMode.POLL, poll_interval_s=0
        )
        repository = self.open(options=given)
        repository.load_all()
        return repository

    def open(
        self,
        *,
        explicit: bool = True,
        startup_models: tuple[str, ...] = (),
        others: tuple[Path, ...] = (),
        options: RepositoryOptions | None = None,
    ) -> ModelRepository:
        """Open the repository; explicit control, nothing loaded, unless told otherwise."""
        given = options or RepositoryOptions(
            paths=(self.root, *others),
            control_mode=ControlMode.EXPLICIT if explicit else ControlMode.NONE,
            startup_models=startup_models,
        )
        clock = Clock(wall_ns=lambda: self.wall_ns, monotonic_ns=lambda: 0)
        return ModelRepository(self.core, self.log, given, clock=clock)
