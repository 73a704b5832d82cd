"""The socket to the server's Python side: JSON objects, each after its length as a u32.

Rare things travel here: start and ready, log lines, metrics, loading of models. Calls wait for the
answer that names them; a thread reads, so that the other side may ask things, too.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from struct import Struct
from typing import Any, Final

from tritonpy.worker.errors import TritonModelException
from tritonpy.worker.sending import Sender

_LENGTH: Final = Struct("<I")
# Files of a model travel here when a model loads another one.
MAX_MESSAGE: Final = 1 << 30


class ControlChannel:
    """This process's end. Thread-safe but for `receive`."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(True)
        self._sender = Sender(self._socket.fileno())
        self._numbers = itertools.count(1)
        self._calls: dict[int, Future[Any]] = {}

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, None when the server is gone. ValueError if it is none."""
        head = self._exactly(_LENGTH.size)
        if head is None:
            return None
        (length,) = _LENGTH.unpack(head)
        if length > MAX_MESSAGE:
            raise ValueError(f"a control message of {length} bytes, at most {MAX_MESSAGE}")
        body = self._exactly(length)
        if body is None:
            return None
        message = json.loads(body)
        if not isinstance(message, dict):
            raise ValueError("a control message is no JSON object")
        return message

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray(size)
        at = 0
        with memoryview(data) as view:
            while at < size:
                try:
                    count = self._socket.recv_into(view[at:])
                except ConnectionResetError:
                    count = 0
                if count == 0:
                    return None
                at += count
        return bytes(data)

    def send(self, message: dict[str, Any]) -> None:
        """Send `message`, for which no answer comes. OSError if the server is gone."""
        self._sender.send(_framed(message))

    def send_from_finalizer(self, message: dict[str, Any]) -> None:
        """Send `message` from `__del__`, where `send` could wait for itself."""
        self._sender.send_from_finalizer(_framed(message))

    def call(self, message: dict[str, Any]) -> Any:
        """Send `message` and wait for the answer's value; TritonModelException with its error."""
        number = next(self._numbers)
        future: Future[Any] = Future()
        self._calls[number] = future
        self.send({**message, "id": number})
        return future.result()

    def read_in_thread(
        self, on_message: Callable[[dict[str, Any]], None], on_end: Callable[[], None]
    ) -> None:
        """Receive in a thread from now on; `on_message` gets what is no answer to a call."""
        thread = threading.Thread(
            target=self._read, args=(on_message, on_end), name="control", daemon=True
        )
        thread.start()

    def _read(
        self, on_message: Callable[[dict[str, Any]], None], on_end: Callable[[], None]
    ) -> None:
        try:
            while True:
                message = self.receive()
                if message is None:
                    return
                if message.get("op") == "answer":
                    self._settle(message)
                else:
                    on_message(message)
        finally:
            on_end()

    def _settle(self, answer: dict[str, Any]) -> None:
        future = self._calls.pop(answer["id"], None)
        if future is None:
            return
        error = answer.get("error")
        if error is None:
            future.set_result(answer.get("value"))
        else:
            future.set_exception(TritonModelException(error))


def _framed(message: dict[str, Any]) -> bytes:
    body = json.dumps(message).encode()
    return _LENGTH.pack(len(body)) + body
