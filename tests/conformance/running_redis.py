"""A real redis-server in a process of its own, and the few commands that tests give it."""

from __future__ import annotations

import random
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO

# Below the ports that connections get by themselves, so that a restart finds its own one free.
_PORTS = range(20_000, 32_000)
_STARTS_MAX = 100
# Questions until something must have happened: minutes, where it takes milliseconds.
_QUESTIONS_MAX = 100_000
# How long a server that hangs may keep a test from failing; nothing is measured against it.
_GUARD_S = 60


class RunningRedis:
    """Keeps nothing on disk; a context manager that kills it."""

    def __init__(self, directory: Path, password: str = "") -> None:
        """Return when it takes connections."""
        self._command = ["redis-server", "--bind", "127.0.0.1", "--dir", str(directory)]
        self._command += ["--save", "", "--appendonly", "no"]
        if password:
            self._command += ["--requirepass", password]
        self._password = password
        for port in random.sample(_PORTS, _STARTS_MAX):
            self.port = port
            if self._try_start():
                return
        raise AssertionError("redis-server found no free port")

    @property
    def cache_config(self) -> list[str]:
        """The arguments of a server that keeps its answers here, and has the time to."""
        settings = ("host=127.0.0.1", f"port={self.port}", "socket_timeout=30000")
        return [f"--cache-config=redis,{setting}" for setting in settings]

    def run(self, *words: str | bytes, database: int = 0) -> bytes | list[bytes]:
        """Run one command and return its reply: text, or a list of texts."""
        address = ("127.0.0.1", self.port)
        with (
            socket.create_connection(address, _GUARD_S) as connection,
            connection.makefile("rb") as replies,
        ):
            if self._password:
                _send(connection, "AUTH", self._password)
                _reply(replies)
            _send(connection, "SELECT", str(database))
            _reply(replies)
            _send(connection, *words)
            return _reply(replies)

    def keys(self, model: str, database: int = 0) -> list[bytes]:
        """Return the keys of a model's answers."""
        keys = self.run("KEYS", f"tritonpy:answer:*:{model}:*", database=database)
        assert isinstance(keys, list)
        return sorted(keys)

    def wait_for_keys(self, model: str, count: int, database: int = 0) -> list[bytes]:
        """Return the keys of a model's answers once there are so many."""
        for _ in range(_QUESTIONS_MAX):
            keys = self.keys(model, database)
            if len(keys) >= count:
                return keys
        raise AssertionError(f"there were never {count} answers of '{model}', but {keys}")

    def wait_for_value(self, key: bytes, value: bytes) -> None:
        """Return once a key has this value."""
        for _ in range(_QUESTIONS_MAX):
            if self.run("GET", key) == value:
                return
        raise AssertionError(f"{key!r} never had its value")

    def kill(self) -> None:
        """End it at once, with all that it has."""
        self._process.kill()
        self._process.communicate(timeout=_GUARD_S)

    def restart(self) -> None:
        """Start an empty one in its place."""
        assert self._try_start(), f"port {self.port} was taken meanwhile"

    def __enter__(self) -> RunningRedis:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def _try_start(self) -> bool:
        self._process = subprocess.Popen(
            [*self._command, "--port", str(self.port)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ready to accept connections" in line:
                return True
        self._process.communicate(timeout=_GUARD_S)
        return False


def _send(connection: socket.socket, *words: str | bytes) -> None:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    texts = [b"$%d\r\n%s\r\n" % (len(part), part) for part in parts]
    connection.sendall(b"*%d\r\n%s" % (len(parts), b"".join(texts)))


def _reply(replies: IO[bytes]) -> bytes | list[bytes]:
    kind, text = replies.read(1), replies.readline().removesuffix(b"\r\n")
    if kind == b"*":
        items = [_reply(replies) for _ in range(int(text))]
        return [item for item in items if isinstance(item, bytes)]
    if kind == b"$":
        return replies.read(int(text) + 2).removesuffix(b"\r\n") if int(text) >= 0 else b""
    assert kind != b"-", text.decode()
    return text
