"""One worker process: started with its channels, watched, and ended with all that it started.

A worker leads a session of its own, so that a terminal's Ctrl-C reaches the server alone, and so
that what the model started can be ended with it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO, Final

from tritonpy.errors import InternalError
from tritonpy.worker_host.channel import ControlChannel
from tritonpy.worker_host.interpreter import Interpreter
from tritonpy.worker_host.output import Logger, WorkerOutput

# Run as a directory: an interpreter that has nothing of ours installed can run it too.
WORKER_PROGRAM: Final = Path(__file__).parents[1] / "worker"
# Whatever a killed process waits for in the kernel, it is not waited for longer.
_KILLED_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class CoreEnds:
    """The server's ends of the channels that the core speaks; whoever has this owns them."""

    execute: int  # to write to
    executed: int  # to read from
    answers: int  # to write to
    calls: int  # to read from
    inputs: int
    outputs: int

    def close(self) -> None:
        """Close all of them."""
        for descriptor in astuple(self):
            os.close(descriptor)


class WorkerProcess:
    """A process that runs, or has ended and waits for `end`. Thread-safe but for `end`."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], control: ControlChannel, log: Logger
    ) -> None:
        """Watch a process that was started with pipes for its output."""
        self.name = name
        self.pid = process.pid
        self.control = control
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)
        stdout, stderr = process.stdout, process.stderr
        assert stdout is not None
        assert stderr is not None
        self._output = WorkerOutput(name, _detached(stdout), _detached(stderr), log)

    def memory_bytes(self) -> int:
        """Return its proportional set size; 0 once it has ended."""
        try:
            rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            return 0
        sizes = (line.split() for line in rollup.splitlines() if line.startswith("Pss:"))
        return sum(int(kilobytes) * 1024 for _, kilobytes, _ in sizes)

    def kill(self) -> None:
        """Kill the process and everything in its session."""
        with suppress(OSError):  # all have ended, or belong to somebody else by now
            os.killpg(self.pid, signal.SIGKILL)

    def end(self, patience_s: float) -> str:
        """Wait for the process to end, kill it when it does not, and reap it. Call once.

        Returns how it ended, in words. The control channel is shut then, not closed.
        """
        in_time = self._wait(patience_s)
        # The process is not reaped yet, so its number cannot be somebody else's.
        self.kill()
        if not in_time:
            self._wait(_KILLED_S)
        self.control.shut()
        os.close(self._pidfd)
        try:
            status = self._process.wait(0 if in_time else _KILLED_S)
        except subprocess.TimeoutExpired:
            return "does not end although it was killed"
        self._output.finish()
        return _ending(status) if in_time else f"did not end in {patience_s:g} s and was killed"

    def _wait(self, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))


def start_serving(
    name: str, program: Path, interpreter: Interpreter, log: Logger
) -> tuple[WorkerProcess, CoreEnds]:
    """Start a worker with all its channels. Raises InternalError when it cannot be started."""
    with ExitStack() as theirs, ExitStack() as ours:
        options: dict[str, int] = {}
        mine: dict[str, int] = {}
        for to_worker in ("execute", "answers"):
            reading, writing = os.pipe()
            options[to_worker], mine[to_worker] = _owned(theirs, reading), _owned(ours, writing)
        for from_worker in ("executed", "calls"):
            reading, writing = os.pipe()
            mine[from_worker], options[from_worker] = _owned(ours, reading), _owned(theirs, writing)
        for arena in ("inputs", "outputs"):
            mine[arena] = _owned(ours, _arena(arena))
            options[arena] = mine[arena]
        worker = _start(name, program, interpreter, options, log)
        ours.pop_all()
        return worker, CoreEnds(**mine)


def start_completing(
    name: str, program: Path, interpreter: Interpreter, log: Logger
) -> WorkerProcess:
    """Start a worker that only completes a config. Raises InternalError as `start_serving`."""
    return _start(name, program, interpreter, {}, log)


def _start(
    name: str, program: Path, interpreter: Interpreter, descriptors: dict[str, int], log: Logger
) -> WorkerProcess:
    mine, theirs = socket.socketpair()
    with theirs:
        passed = {**descriptors, "control": theirs.fileno()}
        command = [str(interpreter.path), "-u", "-X", "faulthandler", str(program)]
        for channel, descriptor in passed.items():
            command += [f"--{channel}-fd", str(descriptor)]
        command += ["--parent-pid", str(os.getpid())]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=tuple(passed.values()),
                env=interpreter.environment(os.environ),
                start_new_session=True,
            )
        except OSError as error:
            mine.close()
            raise InternalError(
                f"failed to start Python interpreter '{interpreter.path}' for model instance "
                f"'{name}': {error.strerror or error}"
            ) from error
    return WorkerProcess(name, process, ControlChannel(mine), log)


def _arena(name: str) -> int:
    # Sealed by the core: a file that its peer could shrink would be a trap.
    return os.memfd_create(f"tritonpy {name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def _owned(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _detached(pipe: IO[bytes]) -> int:
    """Return a descriptor of a pipe whose file object is closed."""
    with pipe:
        return os.dup(pipe.fileno())


def _ending(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exited with code {status}"
