"""Receiving messages from a stream, one by one."""

from __future__ import annotations

import os
from typing import Final

from tritonpy.worker import wire

_BUFFER: Final = 64 << 10


class Receiver:
    """The receiving end of a stream. Not thread-safe.

    A message stays in `buffer` until the next one is received.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.buffer = bytearray(_BUFFER)
        self._start = 0  # of what was received and not yet read
        self._end = 0

    def receive(self) -> tuple[int, int, int] | None:
        """Return kind, start and end of the next message in `buffer`; None when the peer is gone.

        Blocks. ValueError if the message is longer than any that can be meant.
        """
        needed = wire.HEADER.size
        while True:
            start = self._start
            if self._end - start >= needed:
                length, kind, _ = wire.HEADER.unpack_from(self.buffer, start)
                if length > wire.MAX_BODY:
                    raise ValueError(f"a message of {length} bytes, at most {wire.MAX_BODY}")
                needed = wire.HEADER.size + length
                if self._end - start >= needed:
                    start += wire.HEADER.size
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
                count = os.readv(self._descriptor, [self.buffer])
            else:
                with memoryview(self.buffer) as view:
                    count = os.readv(self._descriptor, [view[self._end :]])
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
