"""Serves the bridge from the asyncio loop: every call that C++ hands over is a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from tritonpy.core import ControlEvent, EventKind


class Answers(Protocol):
    """Where the answers of calls go; `tritonpy.core.NativeFrontend` takes them."""

    def answer_head(
        self, call_id: int, status: int, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Begin the answer of an HTTP request."""

    def answer_piece(self, call_id: int, data: bytes) -> None:
        """Send a part of an HTTP body, or one gRPC message."""

    def answer_end(self, call_id: int, status: int, data: bytes) -> None:
        """End the answer."""


class Bridge(Answers, Protocol):
    """What is asked of `tritonpy.core.NativeFrontend`."""

    def fileno(self) -> int:
        """Return a descriptor that is readable while there are events."""

    def take_events(self) -> Sequence[ControlEvent]:
        """Return what happened since the last call."""


class Call(Protocol):
    """One call at work. Confined to the loop."""

    async def run(self) -> None:
        """Answer the call, whatever happens; being cancelled is being cut off by the exit."""

    def hear(self, event: ControlEvent) -> None:
        """Take note of what happened after the call began."""


Opener: TypeAlias = Callable[[ControlEvent, Answers], Call]


class BridgeServer:
    """Runs the calls of one bridge. Confined to the loop."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._openers: dict[int, Opener] = {}
        self._calls: dict[int, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def open_with(self, kind: EventKind, opener: Opener) -> None:
        """Let calls that begin with such an event be made by `opener`."""
        self._openers[kind] = opener

    def start(self) -> None:
        """Serve what happened so far, and what happens. REQUIRES: who opens calls is known."""
        self._loop.add_reader(self._bridge.fileno(), self._serve)

    async def cut_off(self) -> None:
        """Cancel what runs and wait until all of it has said its last."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Take no more events."""
        self._loop.remove_reader(self._bridge.fileno())

    def _serve(self) -> None:
        for event in self._bridge.take_events():
            opener = self._openers.get(event.kind)
            if opener is not None:
                self._begin(event.call_id, opener(event, self._bridge))
                continue
            call = self._calls.get(event.call_id)
            if call is not None:  # else it ended before this was heard of
                call.hear(event)

    def _begin(self, call_id: int, call: Call) -> None:
        self._calls[call_id] = call
        task = self._loop.create_task(call.run())
        self._tasks.add(task)

        def forget(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            self._calls.pop(call_id, None)

        task.add_done_callback(forget)
