"""The loads and unloads of one call, in the order in which models need each other.

What an ensemble is composed of loads before it, and each model once, however many ensembles need
it. When a model has changed, the ensembles that serve with it are brought up to date; before it is
unloaded, they are. No thread is held by a load that waits for others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Protocol

from tritonpy.errors import InvalidArgError, TritonError
from tritonpy.repository.dependencies import circle_through
from tritonpy.repository.futures import ended_after, followed_by, pass_on, pass_on_failure
from tritonpy.repository.load_parameters import LoadOverride
from tritonpy.repository.loader_threads import LoaderThreads


class DependentModels(Protocol):
    """What a session does to models, on loader threads, one call at a time for one model."""

    def composing(self, name: str, override: LoadOverride | None) -> Sequence[str]:
        """Bring a model here and read which models it needs; none where that cannot be read."""

    def served_composing(self, name: str) -> Sequence[str]:
        """Return which models this one serves with; reads nothing."""

    def dependents(self, name: str) -> Sequence[str]:
        """Return the ensembles that serve, or would, and need this model directly."""

    def load(self, name: str, override: LoadOverride | None) -> None:
        """Load a model whose needs are loaded, or bring it up to date."""

    def refresh(self, name: str) -> None:
        """Bring an ensemble in line with models that have changed; take it out where it fails."""

    def suspend(self, name: str) -> None:
        """Take an ensemble out until the model that it misses is back."""

    def unload(self, name: str) -> None:
        """Take a model out."""

    def refuse(self, name: str, error: TritonError) -> None:
        """Note that a model cannot be loaded, and raise."""


class LoadSession:
    """One call. Thread-safe."""

    def __init__(self, threads: LoaderThreads, models: DependentModels) -> None:
        self._threads = threads
        self._models = models
        self._lock = threading.Lock()
        self._loads: dict[str, Future[None]] = {}
        self._needs: dict[str, Sequence[str]] = {}

    def load(self, name: str, override: LoadOverride | None = None) -> Future[None]:
        """Begin to load a model and what it needs, unless this session has; raises once closed."""
        with self._lock:
            known = self._loads.get(name)
            if known is not None:
                return known
            outcome = self._loads[name] = Future()
        begun = self._threads.submit(name, partial(self._begin, name, override, outcome))
        begun.add_done_callback(partial(pass_on_failure, outcome))
        return outcome

    def unload(self, name: str, *, with_composing: bool) -> Future[None]:
        """Begin to unload a model, ensembles that need it before, and what it needs after it."""
        composing = self._models.served_composing(name) if with_composing else ()
        before = [self._suspend(dependent) for dependent in self._models.dependents(name)]
        unloaded = self._threads.submit_after(before, name, partial(self._models.unload, name))
        return self._joined(
            unloaded, lambda: [self.unload(part, with_composing=True) for part in composing]
        )

    def _suspend(self, name: str) -> Future[None]:
        before = [self._suspend(dependent) for dependent in self._models.dependents(name)]
        return self._threads.submit_after(before, name, partial(self._models.suspend, name))

    def _begin(self, name: str, override: LoadOverride | None, outcome: Future[None]) -> None:
        needs = self._models.composing(name, override)
        with self._lock:
            self._needs[name] = needs
            circle = circle_through(name, self._needs)
        if circle:
            path = " -> ".join(circle)
            self._models.refuse(
                name, InvalidArgError(f"circular dependency between ensembles: {path}")
            )
        loaded: Future[None]
        if needs:
            before = [self.load(needed) for needed in needs]
            loaded = self._threads.submit_after(
                before, name, partial(self._models.load, name, override)
            )
        else:
            self._models.load(name, override)
            loaded = Future()
            loaded.set_result(None)
        pass_on(self._joined(loaded, partial(self._refresh_dependents, name)), outcome)

    def _refresh_dependents(self, name: str) -> list[Future[None]]:
        # Those that this session loads do so after what they need.
        dependents = self._models.dependents(name)
        with self._lock:
            others = [one for one in dependents if one not in self._loads]
        return [self._refresh(dependent) for dependent in others]

    def _refresh(self, name: str) -> Future[None]:
        refreshed = self._threads.submit(name, partial(self._models.refresh, name))
        return self._joined(refreshed, partial(self._refresh_dependents, name))

    def _joined(self, first: Future[None], rest: Callable[[], list[Future[None]]]) -> Future[None]:
        """Return what ends as `first` does, after `rest`, which is begun if that went well."""

        def begin_rest() -> Future[None]:
            try:
                return ended_after(rest())
            except TritonError:  # closed meanwhile; the first part is done all the same
                return ended_after(())

        return followed_by(first, begin_rest)
