"""Clients that ask a server all the time, each on a thread and a connection of its own.

They are for what must go unnoticed while it happens: reloads, deaths of workers. Every failure is
kept, an answer that is not what it must be among them: `ask` raises then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.running_server import RunningServer

# How long a server that does not answer may keep a test from failing.
_GUARD_S = 120


class SteadyClients:
    """One client for each of `protocols`, which may repeat one."""

    def __init__(
        self, server: RunningServer, protocols: Sequence[str], ask: Callable[[Client], object]
    ) -> None:
        """Begin to ask; what `ask` raises is a failure and ends nothing."""
        self._server = server
        self._ask = ask
        self._stopping = False
        self._changed = threading.Condition()
        self._asked = [0] * len(protocols)  # by each of them, answered or failed
        self._failures = list[Exception]()
        self._threads = [
            threading.Thread(target=self._run, args=(number, protocol))
            for number, protocol in enumerate(protocols)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def asked(self) -> int:
        """How often anybody has asked so far, failures included."""
        with self._changed:
            return sum(self._asked)

    @property
    def failures(self) -> Sequence[Exception]:
        """Everything that was raised so far, oldest first."""
        with self._changed:
            return tuple(self._failures)

    def wait_for_a_round(self) -> None:
        """Return when every client has asked something after this call and heard of it."""
        with self._changed:
            # The next end may be of a question that is older than this call.
            enough = [count + 2 for count in self._asked]
            come = self._changed.wait_for(
                lambda: all(now >= then for now, then in zip(self._asked, enough, strict=True)),
                _GUARD_S,
            )
        assert come, "a client was not answered"

    def stop(self) -> None:
        """Return when every client has ended."""
        self._stopping = True
        for thread in self._threads:
            thread.join()

    def _run(self, number: int, protocol: str) -> None:
        with connect(protocol, self._server) as client:
            while not self._stopping:
                try:
                    self._ask(client)
                except Exception as error:  # whatever it is, it is the test's to judge
                    with self._changed:
                        self._failures.append(error)
                with self._changed:
                    self._asked[number] += 1
                    self._changed.notify_all()
