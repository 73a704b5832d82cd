"""A stream of framed binary messages: `<IHH` body length, kind, zero; then the body.

One thread at a time may receive; any number may send.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import Final

from tritonpy.worker.sending import Sender, send_all

HEADER: Final = Struct("<IHH")
# Tensors do not travel here, only their places, ids and parameters.
MAX_BODY: Final = 64 << 20
_BUFFER: Final = 64 << 10


class Channel:
    """One end of two pipes, or of a socket pair, which it reads from and writes to.

    A message stays in `buffer` until the next one is received.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self.buffer = bytearray(_BUFFER)
        self._start = 0  # of what was received and not yet read
        self._end = 0
        self._sender = Sender(writing)

    def receive(self) -> tuple[int, int, int] | None:
        """Return kind, start and end of the next message in `buffer`; None when the peer is gone.

        Blocks. ValueError if the message is longer than any that can be meant.
        """
        needed = HEADER.size
        while True:
            start = self._start
            if self._end - start >= needed:
                length, kind, _ = HEADER.unpack_from(self.buffer, start)
                if length > MAX_BODY:
                    raise ValueError(f"a message of {length} bytes, at most {MAX_BODY}")
                needed = HEADER.size + length
                if self._end - start >= needed:
                    start += HEADER.size
                    self._start = start + length
                    return kind, start, self._start
            if not self._receive_more(needed):
                return None

    def _receive_more(self, needed: int) -> bool:
        """Receive once, with room for a message of `needed` bytes; False at the end."""
        if self._start == self._end:
            self._start = self._end = 0
        if self._start + needed > len(self.buffer):
            self._make_room(needed)
        try:
            if self._end == 0:
                count = os.readv(self._reading, [self.buffer])
            else:
                with memoryview(self.buffer) as view:
                    count = os.readv(self._reading, [view[self._end :]])
        except ConnectionResetError:
            return False
        self._end += count
        return count > 0

    def _make_room(self, size: int) -> None:
        """Move what is there to the front of a buffer that holds `size` bytes."""
        rest = self.buffer[self._start : self._end]
        if size > len(self.buffer):
            self.buffer = bytearray(size)
        self.buffer[: len(rest)] = rest
        self._start, self._end = 0, len(rest)

    def send(self, kind: int, body: bytes) -> None:
        """Send one message, whole. Blocks while the peer does not read. OSError if it is gone."""
        self._sender.send(HEADER.pack(len(body), kind, 0) + body)

    def send_alone(self, kind: int, body: bytes) -> None:
        """As `send`, where only one thread ever sends."""
        send_all(self._writing, HEADER.pack(len(body), kind, 0) + body)

    def send_from_finalizer(self, kind: int, body: bytes) -> None:
        """Send one message from `__del__`, where `send` could wait for itself."""
        self._sender.send_from_finalizer(HEADER.pack(len(body), kind, 0) + body)
