"""The thread that looks at the repositories again and again, in poll mode."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tritonpy.repository.layout import Logger

# Between two looks at a model whose files change; a copy that rests longer than this between two
# files, with none of them open, is taken for complete.
_SETTLE_S = 1.0


class PollThread:
    """Calls `poll`, which returns whether to look again soon, until it is stopped. Thread-safe.

    A look that raises is a bug; it is logged, and the next one comes all the same.
    """

    def __init__(self, poll: Callable[[], bool], interval_s: float, log: Logger) -> None:
        self._poll = poll
        self._interval_s = interval_s
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="repository-poll")

    def start(self) -> None:
        """Begin; the first look comes after the interval. To be called once."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let no further look begin; returns at once."""
        self._stop.set()

    def join(self) -> None:
        """Wait until it has ended. Blocks for the loads of a look that runs."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait_s = self._interval_s
        while not self._stop.wait(wait_s):
            unsettled = self._look()
            wait_s = min(_SETTLE_S, self._interval_s) if unsettled else self._interval_s

    def _look(self) -> bool:
        try:
            return self._poll()
        except Exception as error:  # or nothing would ever be looked at again
            self._log.error(
                f"looking at the model repositories failed: {type(error).__name__}: {error}"
            )
            return False
