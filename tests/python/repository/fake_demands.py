"""The models on demand of a core in memory: who waits is a number, and what is wanted a queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tritonpy.errors import UnavailableError
from tritonpy.repository.serving_core import RawDemandCounters


@dataclass
class FakeDemand:
    """One model: whether it is in, who waits for it, and what its requests were told."""

    name: str
    is_in: bool
    hits: int = 0
    waits: int = 0
    waiting: int = 0
    last_used_ns: int = 0
    failure: str = ""
    answered: list[str] = field(default_factory=list)


@dataclass
class FakeDemands:
    """Thread-safe. `on_evict` says whether a model can be taken out."""

    on_evict: Callable[[str, float], bool] = lambda name, patience_s: True
    models: dict[str, FakeDemand] = field(default_factory=dict)
    wanted: queue.Queue[str | None] = field(default_factory=queue.Queue)
    evictions: list[tuple[str, bool]] = field(default_factory=list)  # and whether with patience
    pauses_s: list[float] = field(default_factory=list)
    _time: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def ask(self, name: str) -> None:
        """Let a request come."""
        with self._changed:
            model = self.models[name]
            self._time += 1
            model.last_used_ns = self._time
            if model.is_in:
                model.hits += 1
                return
            model.waits += 1
            model.waiting += 1
            if model.waiting == 1:
                self.wanted.put(name)

    def wait_until_answered(self, name: str) -> list[str]:
        """Wait until nobody waits; return what those who did were told, "ok" where they ran."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.models[name].waiting == 0, timeout=60)
            return list(self.models[name].answered)

    def offer(self, name: str, expected: object, *, is_in: bool) -> None:
        """Know a model, or forget that it failed."""
        with self._changed:
            self.models.setdefault(name, FakeDemand(name, is_in)).failure = ""

    def withdraw(self, name: str) -> None:
        """Forget a model."""
        with self._changed:
            self.models.pop(name, None)

    def next_wanted(self) -> str | None:
        """Wait for a name."""
        return self.wanted.get()

    def stop_wanting(self) -> None:
        """End the waiting."""
        self.wanted.put(None)

    def is_out(self, name: str) -> bool:
        """Say so, or why it failed."""
        with self._changed:
            model = self.models[name]
            if model.failure:
                raise UnavailableError(model.failure)
            return not model.is_in

    def let_in(self, name: str) -> None:
        """Answer who waits."""
        with self._changed:
            self.models[name].is_in = True
            self._answer(self.models[name], "ok")

    def refuse_waiting(self, name: str, text: str, for_s: float) -> None:
        """Answer who waits, and remember why."""
        with self._changed:
            self.pauses_s.append(for_s)
            self.models[name].failure = text
            self._answer(self.models[name], text)

    def evict(self, name: str, patience_s: float) -> bool:
        """Take a model out, if the test lets it."""
        evicted = self.on_evict(name, patience_s)
        with self._changed:
            self.evictions.append((name, patience_s > 0))
            if evicted:
                self.models[name].is_in = False
        return evicted

    def counters(self) -> Sequence[RawDemandCounters]:
        """Return what there is to count."""
        with self._changed:
            return [
                (one.name, one.is_in, one.hits, one.waits, one.waiting, one.last_used_ns)
                for one in self.models.values()
            ]

    def _answer(self, model: FakeDemand, text: str) -> None:
        model.answered += [text] * model.waiting
        model.waiting = 0
        self._changed.notify_all()
