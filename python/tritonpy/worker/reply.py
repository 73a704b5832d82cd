"""Whether a request that outlives its batch has been answered, and by how many responses."""

from __future__ import annotations

import threading

from tritonpy.worker import runtime
from tritonpy.worker.backlog import Backlog


class Reply:
    """The state behind all senders of one request. Thread-safe.

    When nothing refers to it any more and the final response was never sent, nobody is left who
    could: then the request fails, lest its client wait for ever.
    """

    __slots__ = ("backlog", "is_closed", "key", "lock", "sent_count")

    def __init__(self, key: int) -> None:
        self.key = key
        self.lock = threading.Lock()
        self.backlog = Backlog()
        self.sent_count = 0
        self.is_closed = False

    def __del__(self) -> None:
        if not self.is_closed:
            runtime.abandon(self.key)
