"""Loads models when they are asked for.

The core lets requests wait for models that are offered, and says which of them are wanted. Each is
loaded once, however many ask (single-flight). One that does not load is refused for a while, longer
each time, so that a broken model is not loaded for each request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from tritonpy.config.identifier import name_of
from tritonpy.errors import TritonError
from tritonpy.repository.clock import Clock
from tritonpy.repository.demand.expectation import ModelExpectation
from tritonpy.repository.futures import pass_on
from tritonpy.repository.serving_core import DemandCore

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class DemandCounters:
    """What one model was asked for, as the core counts it."""

    name: str  # the identifier
    is_in: bool  # it is in memory
    hits: int  # requests that found it there
    waits: int  # requests that had to wait for it, or were refused meanwhile
    waiting: int  # requests that wait now
    last_used_ns: int  # of the monotonic clock; 0: never


@dataclass(frozen=True, slots=True)
class LoadCounters:
    """What became of the loads that requests brought about."""

    loads: int = 0
    failures: int = 0
    load_ns: int = 0  # of those that went well
    evictions: int = 0


@dataclass(slots=True)
class _Model:
    """What is known of an offered model. Guarded by the lock of OnDemand."""

    counters: LoadCounters = field(default_factory=LoadCounters)
    pause_s: float = 0  # after the last load, if that failed
    loading: Future[None] | None = None
    is_wanted_again: bool = False


class OnDemand:
    """The models on demand, by identifier. Thread-safe."""

    def __init__(
        self,
        core: DemandCore,
        clock: Clock,
        load: Callable[[str], Future[None]],
        pinned: Sequence[str],
    ) -> None:
        """`load` begins to load a model; those `pinned`, by name or identifier, stay in memory."""
        self._core = core
        self._clock = clock
        self._load = load
        self._pinned = frozenset(pinned)
        self._lock = threading.Lock()
        self._models: dict[str, _Model] = {}
        self._thread = threading.Thread(target=self._serve, name="models-on-demand")

    def start(self) -> None:
        """Begin to load what is wanted. To be called once."""
        self._thread.start()

    def stop(self) -> None:
        """Load nothing more; returns at once."""
        self._core.stop_wanting()

    def join(self) -> None:
        """Wait until `stop` has had its effect."""
        if self._thread.is_alive():
            self._thread.join()

    def is_pinned(self, identifier: str) -> bool:
        """Return whether a model is to stay in memory."""
        return identifier in self._pinned or name_of(identifier) in self._pinned

    def offer(self, expected: Mapping[str, ModelExpectation]) -> None:
        """Load these models, none of which is in memory, when they are asked for."""
        for identifier, expectation in expected.items():
            self._known(identifier)
            self._core.offer(identifier, expectation, is_in=False)

    def withdraw(self, identifier: str) -> None:
        """Let a model go that is not to come back by itself, or is to stay."""
        with self._lock:
            self._models.pop(identifier, None)
        self._core.withdraw(identifier)

    def loaded(self, identifier: str) -> None:
        """Take note that a model serves: whoever waited for it runs, and it may be taken out."""
        if self.is_pinned(identifier):
            return
        if self.is_offered(identifier):
            self._core.let_in(identifier)
        else:
            self._known(identifier)
            self._core.offer(identifier, ModelExpectation(name_of(identifier)), is_in=True)

    def evicted(self, identifier: str) -> None:
        """Take note that a model was taken out to make room."""
        with self._lock:
            model = self._models.get(identifier)
            if model is not None:
                counters = model.counters
                model.counters = replace(counters, evictions=counters.evictions + 1)

    def is_offered(self, identifier: str) -> bool:
        """Return whether a model is on demand."""
        with self._lock:
            return identifier in self._models

    def is_out(self, name: str) -> bool:
        """Return whether a model would be loaded for a request, by name or identifier.

        Raises UnavailableError where it has just failed to load.
        """
        identifier = self._called(name)
        return identifier is not None and self._core.is_out(identifier)

    def bring(self, name: str) -> Future[None] | None:
        """Begin to load a model that is out; None for any other. Errors: is_out."""
        identifier = self._called(name)
        if identifier is None or not self._core.is_out(identifier):
            return None
        return self._demand(identifier)

    def least_recently_used(self) -> list[str]:
        """Return the models on demand that are in memory, the one used longest ago first."""
        used = [one for one in self._requests() if one.is_in]
        return [one.name for one in sorted(used, key=lambda one: one.last_used_ns)]

    def counters(self) -> list[tuple[DemandCounters, LoadCounters]]:
        """Return the counters of every model on demand, by identifier."""
        requests = sorted(self._requests(), key=lambda one: one.name)
        with self._lock:
            return [
                (one, self._models[one.name].counters)
                for one in requests
                if one.name in self._models
            ]

    def _requests(self) -> list[DemandCounters]:
        return [DemandCounters(*raw) for raw in self._core.counters()]

    def _known(self, identifier: str) -> None:
        with self._lock:
            self._models.setdefault(identifier, _Model())

    def _called(self, name: str) -> str | None:
        """Return the identifier that a name means, if it means one."""
        with self._lock:
            if name in self._models:
                return name
            found = [one for one in self._models if name_of(one) == name]
        return found[0] if len(found) == 1 else None

    def _serve(self) -> None:
        while (identifier := self._core.next_wanted()) is not None:
            self._demand(identifier, is_news=True)

    def _demand(self, identifier: str, *, is_news: bool = False) -> Future[None]:
        """Begin to load a model, or wait for a load that has begun.

        `is_news`: requests began to wait a moment ago, perhaps after such a load has let others in
        and the model was taken out again, so that it will have to be loaded once more.
        """
        outcome: Future[None] = Future()
        with self._lock:
            model = self._models.get(identifier)
            if model is None:  # withdrawn meanwhile, and with it who waited
                outcome.set_result(None)
                return outcome
            if model.loading is not None:
                model.is_wanted_again |= is_news
                return model.loading
            model.loading = outcome
        started_ns = self._clock.monotonic_ns()
        try:
            job = self._load(identifier)
        except TritonError as error:  # the server stops
            job = Future()
            job.set_exception(error)
        job.add_done_callback(partial(self._ended, identifier, started_ns, outcome))
        return outcome

    def _ended(
        self, identifier: str, started_ns: int, outcome: Future[None], job: Future[None]
    ) -> None:
        cause = _cause(job)
        with self._lock:
            model = self._models.get(identifier, _Model())
            model.loading = None
            again, model.is_wanted_again = model.is_wanted_again, False
            took_ns = self._clock.monotonic_ns() - started_ns
            model.counters = _counted(model.counters, None if cause else took_ns)
            model.pause_s = _next_pause_s(model.pause_s) if cause else 0
            pause_s = model.pause_s
        if cause:
            text = f"model '{name_of(identifier)}' could not be loaded: {cause}"
            self._core.refuse_waiting(identifier, text, pause_s)
        pass_on(job, outcome)
        if again and not cause:
            self._demand(identifier)


def _cause(job: Future[None]) -> str:
    """Return why a load failed; empty where it did not."""
    try:
        job.result()
    except CancelledError:
        return "Server exiting"
    except TritonError as error:
        return error.message.rstrip()
    except Exception as error:  # a bug, of which whoever waits must hear all the same
        return f"{type(error).__name__}: {error}"
    return ""


def _counted(counters: LoadCounters, took_ns: int | None) -> LoadCounters:
    if took_ns is None:
        return replace(counters, failures=counters.failures + 1)
    return replace(counters, loads=counters.loads + 1, load_ns=counters.load_ns + took_ns)


def _next_pause_s(pause_s: float) -> float:
    return min(2 * pause_s, _LONGEST_PAUSE_S) if pause_s else _FIRST_PAUSE_S
