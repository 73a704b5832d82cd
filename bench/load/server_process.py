"""A server as a child process: started, waited for, its CPU time and counters read, stopped."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server and where it listens; ports that it does not serve are 0."""

    process: psutil.Process
    http_port: int
    grpc_port: int = 0
    metrics_port: int = 0

    def cpu_seconds(self) -> float:
        """Return user plus system time of the whole process tree so far."""
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(times.user + times.system for times in (one.cpu_times() for one in tree))

    def counter(self, name: str, model: str) -> int:
        """Return a counter of a model from the metrics page, summed over its series."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        page = urllib.request.urlopen(url).read().decode()
        series = re.compile(rf'^{name}\{{[^}}]*model="{model}"[^}}]*\}} (\S+)$', re.MULTILINE)
        return sum(int(float(value)) for value in series.findall(page))


@contextmanager
def _child(command: Sequence[str], ready_line: str) -> Iterator[psutil.Process]:
    """Run a command and yield once it has printed a line that contains `ready_line`."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        seen = []
        for line in child.stdout:
            seen.append(line)
            if ready_line in line:
                break
        else:
            raise RuntimeError(f"{command[0]} ended before it was ready:\n{''.join(seen)}")
        try:
            yield psutil.Process(child.pid)
        finally:
            child.terminate()
            child.communicate()


@contextmanager
def tritonpy_server(repository: Path, options: Sequence[str]) -> Iterator[ServerProcess]:
    """Serve a repository with this interpreter's tritonpy."""
    http_port, grpc_port, metrics_port = free_port(), free_port(), free_port()
    command = [
        *(sys.executable, "-m", "tritonpy", "serve", "--repo", str(repository)),
        *("--http-port", str(http_port), "--grpc-port", str(grpc_port)),
        *("--metrics-port", str(metrics_port), *options),
    ]
    with _child(command, "Started Metrics Service") as process:
        yield ServerProcess(process, http_port, grpc_port, metrics_port)


@contextmanager
def echo_server() -> Iterator[ServerProcess]:
    """Run a bare uvicorn application that answers with the body it was sent."""
    port = free_port()
    with _child([sys.executable, "-m", "bench.load.echo", str(port)], "ready") as process:
        yield ServerProcess(process, port)
