"""Sending whole messages on a socket from any thread, finalizers included."""

from __future__ import annotations

import socket
import threading
from collections import deque


class Sender:
    """The sending side of a stream socket. Thread-safe."""

    def __init__(self, stream: socket.socket) -> None:
        self._socket = stream
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()

    def send(self, message: bytes) -> None:
        """Send `message`, whole. Blocks while the peer does not read. OSError if it is gone."""
        with self._lock:
            self._socket.sendall(message)
        if self._waiting:
            self._send_waiting()

    def send_from_finalizer(self, message: bytes) -> None:
        """Send `message` from `__del__`, which may interrupt this very thread within `send`.

        If somebody is sending, that one sends this afterwards. A peer that is gone is no error.
        """
        self._waiting.append(message)
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and self._lock.acquire(blocking=False):
            try:
                self._socket.sendall(self._waiting.popleft())
            except (IndexError, OSError):  # another thread took it, or the peer is gone
                return
            finally:
                self._lock.release()
