"""Two pipes that are used as a socket is: the server's or a worker's end of batches or calls."""

from __future__ import annotations

import os


class Pipes:
    """One end, which owns what it reads from and writes to."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    def sendall(self, data: bytes) -> None:
        """Write everything."""
        while data:
            data = data[os.write(self._writing, data) :]

    def recv(self, size: int) -> bytes:
        """Read up to `size` bytes; none at the end."""
        return os.read(self._reading, size)

    def close(self) -> None:
        """Close both; once is enough."""
        for descriptor in (self._reading, self._writing):
            if descriptor >= 0:
                os.close(descriptor)
        self._reading = self._writing = -1


def piped() -> tuple[Pipes, tuple[int, int]]:
    """Return one end, and the other: what it reads from and writes to."""
    there, mine = os.pipe()
    back, theirs = os.pipe()
    return Pipes(back, mine), (there, theirs)
