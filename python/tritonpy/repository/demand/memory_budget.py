"""How many bytes the models take together, and which of them make room for another.

A model counts as many bytes as the files of its versions have, or as its config says for each with
the parameter `memory_bytes`, and what its processes take. Nobody can know before a model is loaded
what it will take, and memory that a library keeps for a model is not told from its other memory;
so the budget is one for weights, which are nearly all of it where memory is short.

Before a model loads it gets its room: those that were asked for longest ago are taken out, idle
ones first. A model that is busy is shut, so that its clients wait, and goes when it has answered
what it had; if that takes too long it serves on. Where no room can be made the load is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from tritonpy.config.memory_bytes import memory_bytes
from tritonpy.errors import UnavailableError
from tritonpy.repository.model_versions import PolledModel

# What a busy model gets to answer what it has, before another one is taken out in its place.
_EVICTION_PATIENCE_S: Final = 5.0
# How long a load waits for others that are about to take, or to give back, their room.
_WAIT_S: Final = 60.0


def memory_of(model: PolledModel) -> int:
    """Return the bytes that the chosen versions will take, but for their processes."""
    given = memory_bytes(model.config)
    if given is not None:
        return given * len(model.versions)
    shared = {stamp for version in model.versions for stamp in version.key.shared_files}
    own = {stamp for version in model.versions for stamp in version.key.version_files}
    return sum(size for _, _, size in shared | own)


class MemoryBudget:
    """Thread-safe. `room_for` blocks while models are taken out or others load."""

    def __init__(
        self,
        limit: int,
        evict: Callable[[str, float], bool],
        least_recently_used: Callable[[], Sequence[str]],
        process_bytes: Callable[[str], int],
    ) -> None:
        """`limit` in bytes, 0 for none.

        `evict` takes out a model within so many seconds, or says that it cannot;
        `least_recently_used` are those that it may be asked for, the one used longest ago first;
        `process_bytes` is what a model's processes take now.
        """
        self._limit = limit
        self._evict = evict
        self._least_recently_used = least_recently_used
        self._process_bytes = process_bytes
        self._changed = threading.Condition(threading.Lock())  # guards what follows
        self._resident: dict[str, int] = {}  # files of models that serve
        self._claimed: dict[str, int] = {}  # of models that have their room and load
        self._loading: set[str] = set()  # until they may be taken out again
        self._waiting: set[str] = set()  # of those, the ones that wait for others
        self._leaving: set[str] = set()

    @property
    def limit(self) -> int:
        """The bytes that models may take; 0: any."""
        return self._limit

    def taken(self) -> Mapping[str, int]:
        """Return the bytes of every model that serves."""
        with self._changed:
            resident = dict(self._resident)
        return {name: size + self._process_bytes(name) for name, size in resident.items()}

    @contextmanager
    def loading(self, name: str) -> Iterator[None]:
        """Let others that need room wait while this model loads, until it can make room itself."""
        with self._changed:
            self._loading.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._loading.discard(name)
                self._changed.notify_all()

    @contextmanager
    def room_for(self, name: str, size: int, *, loads: bool = True) -> Iterator[None]:
        """Have `size` bytes while a model loads, which then counts as many if that went well.

        Without `loads` nothing new comes into memory. Raises UnavailableError where there is no
        room.
        """
        if loads:
            self._claim(name, size)
        try:
            yield
        except BaseException:
            self._settle(name, None)
            raise
        self._settle(name, size)
        with self._changed:
            self._make_room(name, 0)  # its processes may take more than its files

    def freed(self, name: str) -> None:
        """Take note that a model does not serve any more."""
        with self._changed:
            self._resident.pop(name, None)
            self._changed.notify_all()

    def _settle(self, name: str, size: int | None) -> None:
        with self._changed:
            self._claimed.pop(name, None)
            if size is not None:
                self._resident[name] = size
            self._changed.notify_all()

    def _claim(self, name: str, size: int) -> None:
        if self._limit and size > self._limit:
            raise UnavailableError(
                f"model '{name}' takes {size} bytes, and the memory budget has {self._limit}"
            )
        with self._changed:
            try:
                has_room = self._make_room(name, size)
            finally:
                self._waiting.discard(name)
            if not has_room:
                raise UnavailableError(
                    f"model '{name}' takes {size} bytes, and no other model can give up as much of "
                    f"the memory budget of {self._limit}"
                )
            self._claimed[name] = size

    def _make_room(self, name: str, size: int) -> bool:
        """Take models out until there is room for `size` bytes; whether there is.

        REQUIRES: the lock, which is given up meanwhile.
        """
        patience_s = 0.0
        tried: set[str] = {name}
        while not self._fits(size):
            victim = self._victim(tried)
            if victim is not None:
                if not self._take_out(victim, patience_s):
                    tried.add(victim)
            elif size and (self._loading - self._waiting - {name} or self._leaving):
                if not self._wait(name):
                    return False
                tried = {name}
            elif size and not patience_s:
                patience_s = _EVICTION_PATIENCE_S
                tried = {name}
            else:
                return False
        return True

    def _wait(self, name: str) -> bool:
        """Wait until others have made a step; whether they have. REQUIRES: the lock."""
        if name not in self._waiting:
            self._waiting.add(name)
            self._changed.notify_all()  # whoever waits for this one must not
        return self._changed.wait(_WAIT_S)

    def _fits(self, size: int) -> bool:
        if not self._limit:
            return True
        taken = sum(self._resident.values()) + sum(self._claimed.values())
        processes = sum(map(self._process_bytes, self._resident))
        return taken + processes + size <= self._limit

    def _victim(self, tried: set[str]) -> str | None:
        excluded = tried | self._leaving | self._claimed.keys()
        candidates = (
            one
            for one in self._least_recently_used()
            if one in self._resident and one not in excluded
        )
        gains = (one for one in candidates if self._resident[one] or self._process_bytes(one))
        return next(gains, None)

    def _take_out(self, victim: str, patience_s: float) -> bool:
        self._leaving.add(victim)
        self._changed.release()
        try:
            evicted = self._evict(victim, patience_s)
        finally:
            self._changed.acquire()
            self._leaving.discard(victim)
            self._changed.notify_all()
        return evicted
