"""The control channel of one worker: JSON objects over a socket, each after its length.

A worker runs its model's code, so nothing that comes from it is trusted: lengths have a bound, and
what is no JSON object ends the channel.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Message: TypeAlias = dict[str, Any]

# More than the files of a model that is given by a call; a worker that sends more is broken.
MESSAGE_MAX: Final = 256 * 1024 * 1024
_HEAD: Final = struct.Struct("<I")
# A worker that has not taken an answer for so long never will.
_SEND_TIMEOUT: Final = struct.pack("ll", 10, 0)


class ChannelError(Exception):
    """What came from the worker is not what the protocol says."""


class ControlChannel:
    """One end of a control socket. Sending is thread-safe; receiving is confined to one thread."""

    def __init__(self, end: socket.socket) -> None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        self._socket = end
        self._sending = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> bool:
        """Send one message; whether the worker can still be told anything. Blocks at most 10 s."""
        body = json.dumps(message).encode()
        with self._sending:
            try:
                self._socket.sendall(_HEAD.pack(len(body)) + body)
            except OSError:  # dead, or deaf: half a message may be out, so nothing can follow
                self.shut()
                return False
        return True

    def receive(self) -> Message | None:
        """Return the next message, None once the worker has closed. Blocks. Raises ChannelError."""
        head = self._read(_HEAD.size)
        if head is None:
            return None
        (length,) = _HEAD.unpack(head)
        if length > MESSAGE_MAX:
            raise ChannelError(
                f"a control message of {length} bytes, at most {MESSAGE_MAX} allowed"
            )
        body = self._read(length)
        if body is None:
            return None
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ChannelError(f"a control message that is no JSON: {error}") from error
        if not isinstance(message, dict):
            raise ChannelError("a control message that is no JSON object")
        return message

    def shut(self) -> None:
        """Let both ends see the end of the channel; `receive` then returns None."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other end has gone

    def close(self) -> None:
        """Free the socket. REQUIRES: nobody receives any more."""
        with self._sending:
            self._socket.close()

    def _read(self, size: int) -> bytes | None:
        pieces = bytearray()
        while len(pieces) < size:
            try:
                piece = self._socket.recv(min(size - len(pieces), 1024 * 1024))
            except OSError:
                return None
            if not piece:
                return None
            pieces += piece
        return bytes(pieces)
