"""`ModelDemands`: the models on demand of the C++ inference server."""

from __future__ import annotations

from tritonpy import _core
from tritonpy.core.status import core_errors


class ModelDemands:
    """Thread-safe; `next_wanted`, `let_in`, `withdraw` and `evict` block and release the GIL."""

    def __init__(self, server: _core.Server) -> None:
        self._server = server

    def offer(self, name: str, expected: object, *, is_in: bool) -> None:
        """Let requests for a model wait until it is in memory; `is_in`: it is there.

        `expected` is a `repository.demand.ModelExpectation`. Of a model that is on demand already
        only that changes, and a failure to load it is forgotten.
        """
        with core_errors:
            _core.offer_model(self._server, name, expected, is_in)

    def withdraw(self, name: str) -> None:
        """Let a model be there or not from now on; who waited for it is told so."""
        _core.withdraw_model(self._server, name)

    def next_wanted(self) -> str | None:
        """Wait for a model that requests wait for; None when nobody is to load any more."""
        return _core.next_wanted_model(self._server)

    def stop_wanting(self) -> None:
        """Let `next_wanted` return None."""
        _core.stop_wanting(self._server)

    def is_out(self, name: str) -> bool:
        """Return whether requests would wait; UnavailableError where it has just failed to load."""
        with core_errors:
            return _core.is_model_out(self._server, name)

    def let_in(self, name: str) -> None:
        """Run what waited for a model, which serves."""
        _core.let_in(self._server, name)

    def refuse_waiting(self, name: str, text: str, for_s: float) -> None:
        """Answer what waits for a model that did not load, and what comes in the next seconds."""
        _core.refuse_waiting(self._server, name, text, for_s)

    def evict(self, name: str, patience_s: float) -> bool:
        """Take a model out once it has nothing to do; whether that was so within `patience_s`."""
        return _core.evict_model(self._server, name, patience_s)

    def counters(self) -> list[tuple[str, bool, int, int, int, int]]:
        """Return what `repository.demand.DemandCounters` has, as tuples, in no order."""
        return _core.demand_counters(self._server)
