"""How far the client of a request is behind: what the server still has of its responses.

The server gives a block of outputs back when the last byte of it is written to the client's
connection, or copied for the model that asked, which is done as that takes what it was given. So a
model that answers faster than its client reads sees its blocks stay away. Who sends waits then,
rather than that responses pile up until the server cuts them off. (Responses without bytes have no
block; the server bounds their number.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event
from typing import Final

from tritonpy.worker.output_arena import Block

# A fourth of what the server lets wait for one request before it cuts that off.
BYTES_MAX: Final = 16 << 20
# Nothing tells that a block is back; looking for it takes a fraction of the shortest pause.
_SHORTEST_PAUSE_S: Final = 0.0005
_LONGEST_PAUSE_S: Final = 0.02


class Backlog:
    """The blocks of one request's responses. For one thread at a time."""

    __slots__ = ("_bytes", "_lent")

    def __init__(self) -> None:
        self._bytes = 0
        self._lent: deque[tuple[Block, int]] = deque()

    def add(self, block: Block) -> None:
        """Count a block that the server was told of."""
        self._lent.append((block, block.lent_count))
        self._bytes += block.size

    def wait(self, is_cancelled: Callable[[], bool], ended: Event) -> None:
        """Wait while the server has more than BYTES_MAX, unless the client goes or all ends."""
        pause = _SHORTEST_PAUSE_S
        while self._bytes_left() > BYTES_MAX and not is_cancelled() and not ended.wait(pause):
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _bytes_left(self) -> int:
        lent = self._lent
        while lent and _is_back(*lent[0]):  # a client reads in order
            self._bytes -= lent.popleft()[0].size
        return self._bytes


def _is_back(block: Block, number: int) -> bool:
    return block.lent_count != number or block.is_free()
