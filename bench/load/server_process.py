"""A server as a process: started and stopped or found running; its CPU time and its counters."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.load.scenarios import Protocol

_TIMEOUT_S = 30.0


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
    http_port: int = 0
    grpc_port: int = 0
    speaks_v2: bool = True

    def port(self, protocol: Protocol) -> int:
        """Where it serves the protocol, 0 where it does not."""
        return self.http_port if protocol == "http" else self.grpc_port

    def cpu_seconds(self) -> float:
        """Return user plus system time of the whole process tree so far."""
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(times.user + times.system for times in (one.cpu_times() for one in tree))

    def serves(self, model: str) -> bool:
        """Whether the model is ready; a server that does not speak V2 serves anything."""
        return not self.speaks_v2 or self._get(f"/v2/models/{model}/ready") is not None

    def inferences(self, model: str) -> int | None:
        """Return how many inferences of a model it has counted, None when it does not count."""
        page = self._get(f"/v2/models/{model}/stats") if self.speaks_v2 else None
        if page is None:
            return None
        return sum(int(one["inference_count"]) for one in json.loads(page)["model_stats"])

    def _get(self, path: str) -> bytes | None:
        url = f"http://127.0.0.1:{self.http_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError:
            return None


@contextmanager
def _child(command: Sequence[str], ready_line: str) -> Iterator[tuple[psutil.Process, str]]:
    """Run a command; yield it, with the line that holds `ready_line` once that is printed."""
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
            raise RuntimeError(f"{command} ended before it was ready:\n{''.join(seen)}")
        try:
            yield psutil.Process(child.pid), seen[-1]
        finally:
            child.terminate()
            child.communicate()


@contextmanager
def tritonpy_server(
    pin: Sequence[str],
    frontend: str,
    repositories: Sequence[Path],
    models: Sequence[str],
    options: Sequence[str],
) -> Iterator[ServerProcess]:
    """Serve models with this interpreter's tritonpy, behind one of its front ends."""
    http_port, grpc_port, metrics_port = free_port(), free_port(), free_port()
    command = [
        *(*pin, sys.executable, "-m", "tritonpy", "serve", "--frontend", frontend),
        *(f"--repo={one}" for one in repositories),
        *("--model-control-mode=explicit", *(f"--load-model={one}" for one in models)),
        *("--http-port", str(http_port), "--grpc-port", str(grpc_port)),
        *("--metrics-port", str(metrics_port), *options),
    ]
    with _child(command, "Started Metrics Service") as (process, _):
        yield ServerProcess(process, http_port, grpc_port)


@contextmanager
def floor_server(
    program: Path, pin: Sequence[str], protocol: Protocol, answer: Path, threads: int
) -> Iterator[ServerProcess]:
    """Run the program that does nothing but answer with the bytes of a file."""
    command = [*pin, str(program), protocol, str(answer), "--threads", str(threads)]
    with _child(command, "ready") as (process, line):
        port = int(line.split()[1])
        http_port, grpc_port = (port, 0) if protocol == "http" else (0, port)
        yield ServerProcess(process, http_port, grpc_port, speaks_v2=False)


@contextmanager
def echo_server(pin: Sequence[str]) -> Iterator[ServerProcess]:
    """Run a bare uvicorn application that answers with the body it was sent."""
    port = free_port()
    command = [*pin, sys.executable, "-m", "bench.load.echo", str(port)]
    with _child(command, "ready") as (process, _):
        yield ServerProcess(process, port, speaks_v2=False)
