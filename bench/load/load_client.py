"""The compiled load client as a child process, and what it saw."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load.payloads import GRPC_PATH
from bench.load.scenarios import Scenario

_WARM_UP_S = 0.3
_GRACE_S = 60.0


class LoadError(Exception):
    """The load that was asked for could not be offered, or was not answered."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the client saw; latencies in microseconds, its own CPU time in seconds."""

    answers: int
    seconds: float
    p50_us: float
    p99_us: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds

    @property
    def cpu_us(self) -> float:
        """The client's CPU time per answer."""
        return self.cpu_seconds / self.answers * 1e6

    @property
    def busy(self) -> float:
        """The client's share of its one CPU; near 1 it was the bottleneck."""
        return self.cpu_seconds / self.seconds


class LoadClient:
    """A client whose connections are open and warm, and quiet until it is told to run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait_until_warm(self) -> None:
        """Block until every connection has been answered, and none waits for an answer."""
        self._line()

    def run(self) -> Load:
        """Offer the load; every call has been answered when this returns."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Load(**json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            why = self._process.stderr.read().strip()
            if self._process.wait() < 0:
                why = "the client took much longer than asked for, and was killed"
            raise LoadError(why)
        return line


@contextmanager
def warm_client(
    program: Path,
    pin: Sequence[str],
    scenario: Scenario,
    port: int,
    request: Path,
    seconds: float,
) -> Iterator[LoadClient]:
    """Run the client against a port; it is killed when it outlives its time by far."""
    command = [
        *(*pin, str(program), scenario.protocol, str(port), str(request)),
        *("--connections", str(scenario.connections), "--streams", str(scenario.streams)),
        *("--seconds", str(seconds), "--warm-up", str(_WARM_UP_S), "--path", GRPC_PATH),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        limit = threading.Timer(seconds + _GRACE_S, process.kill)
        limit.start()
        try:
            client = LoadClient(process)
            client.wait_until_warm()
            yield client
        finally:
            limit.cancel()
            process.communicate()  # the end of stdin ends it
