"""A bridge without sockets: the test says what happens, and reads what was answered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from tritonpy.core import ControlEvent, EventKind


def event(
    kind: EventKind,
    call_id: int = 1,
    *,
    method: str = "",
    target: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    minor_version: int = 1,
    chunks: int = 0,
) -> ControlEvent:
    """Return an event of which only what matters is said."""
    return ControlEvent(kind, call_id, method, target, headers, body, minor_version, chunks)


@dataclass(frozen=True, slots=True)
class Head:
    """answer_head was called."""

    call_id: int
    status: int
    headers: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Piece:
    """answer_piece was called."""

    call_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """answer_end was called."""

    call_id: int
    status: int
    data: bytes


@dataclass
class FakeBridge:
    """Confined to the loop."""

    answers: list[Head | Piece | End] = field(default_factory=list)
    _events: list[ControlEvent] = field(default_factory=list)
    _descriptor: int = field(default_factory=lambda: os.eventfd(0, os.EFD_NONBLOCK))
    _taken: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    async def happen(self, *events: ControlEvent) -> None:
        """Let events come together, and everything run that then can."""
        self._events.extend(events)
        self._taken.clear()
        os.eventfd_write(self._descriptor, 1)
        await self._taken.wait()
        await settle()

    async def all_ended(self, count: int) -> None:
        """Wait until so many calls were ended, also by what works on other threads."""
        while sum(isinstance(answer, End) for answer in self.answers) < count:
            self._ended.clear()
            await self._ended.wait()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def take_events(self) -> list[ControlEvent]:
        """Return what happened."""
        os.eventfd_read(self._descriptor)
        taken, self._events = self._events, []
        self._taken.set()
        return taken

    def answer_head(
        self, call_id: int, status: int, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Keep it."""
        self.answers.append(Head(call_id, status, dict(headers)))

    def answer_piece(self, call_id: int, data: bytes) -> None:
        """Keep it."""
        self.answers.append(Piece(call_id, data))

    def answer_end(self, call_id: int, status: int, data: bytes) -> None:
        """Keep it."""
        self.answers.append(End(call_id, status, data))
        self._ended.set()


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)
