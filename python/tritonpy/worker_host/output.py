"""What a worker prints, line by line in the server's log under the name of its model instance.

Bounded three ways, so that a model that prints without end harms nobody: a line has a length, a
second has a number of lines, beyond which they are counted and left out, and of bytes, beyond which
the worker has to wait. What it said last before it died is kept and never left out.
"""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

LINE_MAX: Final = 8 * 1024  # bytes
LINES_PER_S: Final = 500
LINES_AT_ONCE: Final = 1000
LAST_LINES: Final = 100  # of those left out, logged all the same when the worker ends
_BYTES_PER_S: Final = 8 * 1024 * 1024
_CHUNK: Final = 64 * 1024
# What is read at most once the worker has ended: children of it may hold the pipe and print on.
_REMAINDER_MAX: Final = 1024 * 1024
_PAUSE_S: Final = 0.05


class Logger(Protocol):
    """What this asks of the server's log."""

    def info(self, text: str) -> None:
        """Log what an operator wants to know."""

    def warning(self, text: str) -> None:
        """Log what an operator should look at."""


class Allowance:
    """So much a second, and at most `at_once` saved up. Confined to one thread."""

    def __init__(self, per_s: float, at_once: float, now: Callable[[], float]) -> None:
        self._per_s, self._at_once, self._now = per_s, at_once, now
        self._left, self._since = at_once, now()

    def take(self, amount: float) -> bool:
        """Take `amount`, or nothing where less is left."""
        if not self.has(amount):
            return False
        self._left -= amount
        return True

    def has(self, amount: float) -> bool:
        """Whether `amount` could be taken now."""
        now = self._now()
        self._left = min(self._at_once, self._left + (now - self._since) * self._per_s)
        self._since = now
        return amount <= self._left


class LineLog:
    """Cuts one stream into lines and logs them, as many as are allowed. Confined to one thread."""

    def __init__(self, name: str, write: Callable[[str], None], allowance: Allowance) -> None:
        self._name, self._write, self._allowance = name, write, allowance
        self._begun = b""  # of a line that goes on
        self._cutting = False  # the rest of an overlong line is passed over
        self._left_out = 0
        self._last: deque[bytes] = deque(maxlen=LAST_LINES)

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._end_line(line)
        self._continue(rest)

    def catch_up(self) -> None:
        """Say how much was left out, once there is room for a second's lines again."""
        if self._left_out and self._allowance.has(LINES_PER_S):
            self._say_left_out()
            self._last.clear()

    def finish(self) -> None:
        """Log what is left, for nothing more will come."""
        if self._begun:
            self._end_line(b"")
        if self._left_out:
            self._left_out -= len(self._last)
            self._say_left_out()
            for line in self._last:
                self._log(line)
            self._last.clear()

    def _continue(self, piece: bytes) -> None:
        if self._cutting or not piece:
            return
        self._begun += piece
        if len(self._begun) > LINE_MAX:
            self._emit(self._begun[:LINE_MAX] + b" ...")
            self._begun, self._cutting = b"", True

    def _end_line(self, piece: bytes) -> None:
        self._continue(piece)
        if not self._cutting:
            self._emit(self._begun)
        self._begun, self._cutting = b"", False

    def _emit(self, line: bytes) -> None:
        self.catch_up()
        if self._left_out or not self._allowance.take(1):
            self._left_out += 1
            self._last.append(line)
        else:
            self._log(line)

    def _log(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            self._write(f"{self._name}: {text}")

    def _say_left_out(self) -> None:
        if self._left_out:
            self._write(f"{self._name}: {self._left_out} lines of output are left out")
        self._left_out = 0


class WorkerOutput:
    """Reads both pipes of a worker on a thread of its own, until they end or `finish` is called."""

    def __init__(
        self,
        name: str,
        stdout: int,
        stderr: int,
        log: Logger,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take both descriptors, which belong to this from now on."""
        lines = Allowance(LINES_PER_S, LINES_AT_ONCE, now)
        self._bytes = Allowance(_BYTES_PER_S, 2 * _BYTES_PER_S, now)
        self._logs = {
            stdout: LineLog(name, log.info, lines),
            stderr: LineLog(name, log.warning, lines),
        }
        for pipe in self._logs:
            os.set_blocking(pipe, False)
        self._stop_reading, self._stop = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name=f"output {name}", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Log what the worker, which has ended, left in its pipes. Call once."""
        os.close(self._stop)
        self._thread.join()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stop_reading, selectors.EVENT_READ)
            for pipe in self._logs:
                selector.register(pipe, selectors.EVENT_READ)
            while not self._turn(selector):
                pass
        for pipe, lines in self._logs.items():
            _read_rest(pipe, lines)
            lines.finish()
            os.close(pipe)
        os.close(self._stop_reading)

    def _turn(self, selector: selectors.BaseSelector) -> bool:
        """Read what there is; whether the end was announced."""
        ready = [key.fd for key, _ in selector.select(1.0)]
        if self._stop_reading in ready:
            return True
        if not ready:
            for lines in self._logs.values():
                lines.catch_up()
        for pipe in ready:
            if not self._bytes.take(_CHUNK):
                # Too much at once: the worker waits at its full pipe, and this for the next turn.
                with selectors.DefaultSelector() as pause:
                    pause.register(self._stop_reading, selectors.EVENT_READ)
                    pause.select(_PAUSE_S)
                return False
            data = _read(pipe)
            if data == b"":
                selector.unregister(pipe)
            elif data is not None:
                self._logs[pipe].feed(data)
        return False


def _read(pipe: int) -> bytes | None:
    """Return what is there: b"" at the end, None where nothing is there yet."""
    try:
        return os.read(pipe, _CHUNK)
    except BlockingIOError:
        return None


def _read_rest(pipe: int, lines: LineLog) -> None:
    for _ in range(_REMAINDER_MAX // _CHUNK):
        data = _read(pipe)
        if not data:
            return
        lines.feed(data)
