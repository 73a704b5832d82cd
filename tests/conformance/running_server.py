"""A real server in a process of its own, started and stopped as a user would."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import tritonpy

# How long a hung server may keep a test from failing; nothing is measured against it.
_GUARD_S = 120
_STARTED = re.compile(r"Started (GRPCInferenceService|HTTPService|Metrics Service) at .*:(\d+)")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a test may say about its server."""

    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    frontend: str = "native"


def server_environment() -> dict[str, str]:
    """Return the environment in which a server is the package that this test imports."""
    package_parent = str(Path(tritonpy.__file__).parents[1])
    search_path = os.pathsep.join((package_parent, os.environ.get("PYTHONPATH", "")))
    return {**os.environ, "PYTHONPATH": search_path}


class RunningServer:
    """Serves on free ports of this machine; a context manager that stops it."""

    def __init__(self, repository: Path, options: ServerOptions | None = None) -> None:
        """Return when the server has said that it listens everywhere; raise when it does not."""
        options = options or ServerOptions()
        command = [sys.executable, "-m", "tritonpy", "serve"]
        # One model file is served by itself.
        command += [str(repository)] if repository.is_file() else ["--repo", str(repository)]
        command += ["--frontend", options.frontend, "--http-address", "127.0.0.1"]
        command += ["--grpc-address", "127.0.0.1"]
        command += ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
        self._process = subprocess.Popen(
            [*command, *options.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**server_environment(), **options.environment},
        )
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read_output, name="server-output", daemon=True)
        self._reader.start()
        self.grpc_port = self._port("GRPCInferenceService")
        self.http_port = self._port("HTTPService")
        self.metrics_port = self._port("Metrics Service")

    @property
    def http_address(self) -> str:
        """As tritonclient.http wants it."""
        return f"127.0.0.1:{self.http_port}"

    @property
    def grpc_address(self) -> str:
        """As tritonclient.grpc wants it."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What the server has said so far."""
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, text: str) -> str:
        """Return the first line that contains `text`, once it is there."""

        def found() -> str | None:
            return next((line for line in self._lines if text in line), None)

        with self._changed:
            self._changed.wait_for(lambda: self._ended or found() is not None, _GUARD_S)
            line = found()
        if line is None:
            raise AssertionError(f"the server never said {text!r}, but:\n{self.output}")
        return line

    def wait_for_count(self, text: str, count: int) -> None:
        """Return when so many lines contain `text`."""

        def is_there() -> bool:
            return sum(text in line for line in self._lines) >= count

        with self._changed:
            self._changed.wait_for(lambda: self._ended or is_there(), _GUARD_S)
            assert is_there(), f"the server did not say {text!r} {count} times"

    def ask_to_stop(self) -> None:
        """Send SIGTERM and return at once."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Return the exit status, once there is one."""
        status = self._process.wait(_GUARD_S)
        self._reader.join(_GUARD_S)
        return status

    def stop(self) -> int:
        """Stop the server as an operator does; return its exit status."""
        if self._process.poll() is None:
            self.ask_to_stop()
        return self.wait()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._process.kill()

    def _port(self, service: str) -> int:
        match = _STARTED.search(self.wait_for(f"Started {service} at"))
        assert match is not None
        return int(match.group(2))

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
