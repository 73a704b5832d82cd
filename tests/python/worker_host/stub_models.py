"""A host whose workers are stubs, and the models, which are scripts, that they run."""

from __future__ import annotations

import textwrap
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from tritonpy.config import Devices, normalize, parse_config
from tritonpy.worker_host import WorkerHost, WorkerSpec, worker_spec

STUB = Path(__file__).with_name("stub_worker.py")
# How long something that hangs may keep a test from failing; nothing is measured against it.
GUARD_S = 60
CONFIG = """
    name: "m"
    backend: "python"
    max_batch_size: 4
    input { name: "IN" data_type: TYPE_STRING dims: [ 3, -1 ] }
    output { name: "OUT" data_type: TYPE_FP32 dims: [ 2 ] }
"""


@dataclass
class WaitableLog:
    """Keeps every line as (level, text) and lets a test wait for one."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def _keep(self, level: str, text: str) -> None:
        with self.changed:
            self.lines.append((level, text))
            self.changed.notify_all()

    def info(self, text: str) -> None:
        self._keep("INFO", text)

    def warning(self, text: str) -> None:
        self._keep("WARNING", text)

    def error(self, text: str) -> None:
        self._keep("ERROR", text)

    def forward(self, level: str, text: str, file: str, line: int) -> None:
        self._keep(level, f"{file}:{line} {text}")

    def wait_for(self, text: str) -> tuple[str, str]:
        """Return the first line that contains `text`, once it is there."""

        def found() -> tuple[str, str] | None:
            return next((line for line in self.lines if text in line[1]), None)

        with self.changed:
            self.changed.wait_for(lambda: found() is not None, GUARD_S)
            line = found()
        assert line is not None, f"nobody said {text!r}, but {self.lines}"
        return line

    def texts(self) -> list[str]:
        """Return what was said so far."""
        with self.changed:
            return [text for _, text in self.lines]


class StubHost:
    """A host over stub workers; a context manager that ends those that a test leaves."""

    def __init__(
        self, directory: Path, stub_timeout_s: float = GUARD_S, load_timeout_s: float = 0
    ) -> None:
        self.directory = directory
        self.log = WaitableLog()
        self.host = WorkerHost(
            self.log,
            directory / "cache",
            verbose_level=lambda: 3,
            stub_timeout_s=stub_timeout_s,
            load_timeout_s=load_timeout_s,
            program=STUB,
        )
        self.metrics, self.models = self.host.metrics, self.host.models
        self._launched: list[int] = []

    def spec(self, script: str, extra: str = "", identifier: str = "m") -> WorkerSpec:
        """Return a model that does what `script` says."""
        file = self.directory / "m" / "1" / "model.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(script))
        config = normalize(parse_config(CONFIG + extra, "test"), Devices())
        return replace(worker_spec(config, 1, file, file.parents[1]), identifier=identifier)

    def launch(self, script: str, extra: str = "", identifier: str = "m") -> tuple[int, ...]:
        """Launch an instance `m_0_0` that does what `script` says."""
        text = self.spec(script, extra, identifier).to_text()
        launched = self.host.launch(text, "m_0_0", "KIND_CPU", 0)
        self._launched.append(launched[-1])
        return launched

    def ended(self, pid: int) -> str:
        """Reap a worker."""
        self._launched.remove(pid)
        return self.host.ended(pid)

    def __enter__(self) -> StubHost:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.host.kill_all()
        for pid in self._launched:
            self.host.ended(pid)


def said(answer: Any) -> str:
    """Return Python text of a script that keeps `answer` for the test, in the file `answers`."""
    return f"open(start['args']['model_repository'] + '/answers', 'w').write(json.dumps({answer}))"
