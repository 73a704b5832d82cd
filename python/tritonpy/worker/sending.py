"""Sending whole messages on a stream from any thread, finalizers included."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from typing import Final


def send_all(descriptor: int, message: bytes) -> None:
    """Write `message`, whole. Blocks while the peer does not read. OSError if it is gone."""
    rest = memoryview(message)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # the extension's channels do not block
            room = select.poll()
            room.register(descriptor, select.POLLOUT)
            room.poll()


class Sender:
    """The sending side of a stream. Thread-safe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.lock: Final = threading.Lock()  # held by whoever has begun a message
        self._waiting: deque[bytes] = deque()

    def send(self, message: bytes) -> None:
        """Send `message`, whole. Blocks while the peer does not read. OSError if it is gone."""
        with self.lock:
            send_all(self._descriptor, message)
        if self._waiting:
            self._send_waiting()

    def send_from_finalizer(self, message: bytes) -> None:
        """Send `message` from `__del__`, which may interrupt this very thread within `send`.

        If somebody is sending, that one sends this afterwards. A peer that is gone is no error.
        """
        self._waiting.append(message)
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and self.lock.acquire(blocking=False):
            try:
                send_all(self._descriptor, self._waiting.popleft())
            except (IndexError, OSError):  # another thread took it, or the peer is gone
                return
            finally:
                self.lock.release()
