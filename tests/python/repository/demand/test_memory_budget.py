"""Goal: models never take more than the budget, the one used longest ago goes first, and a load
that finds no room says so.

Method: a budget over models that are numbers; evictions do what the test says.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tritonpy.errors import UnavailableError
from tritonpy.repository.demand import MemoryBudget


@dataclass
class Case:
    """A budget of 100 bytes; models that loaded are used in that order."""

    limit: int = 100
    order: list[str] = field(default_factory=list)
    evicted: list[tuple[str, bool]] = field(default_factory=list)  # and whether with patience
    process_bytes: dict[str, int] = field(default_factory=dict)
    on_evict: Callable[[str, float], bool] = lambda name, patience_s: True
    looks: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.budget = MemoryBudget(
            self.limit,
            self._evict,
            self._least_recently_used,
            lambda name: self.process_bytes.get(name, 0),
        )

    def load(self, name: str, size: int) -> None:
        with self.budget.loading(name), self.budget.room_for(name, size):
            pass
        self.order = [*(one for one in self.order if one != name), name]

    def wait_until_somebody_waits(self) -> None:
        """Return when a load that found nobody to make room waits: one for each call."""
        self.looks.acquire()
        self.budget.taken()  # which needs the lock that the load gives up as it waits

    def _least_recently_used(self) -> tuple[str, ...]:
        if not self.order:
            self.looks.release()
        return tuple(self.order)

    def _evict(self, name: str, patience_s: float) -> bool:
        self.evicted.append((name, patience_s > 0))
        if not self.on_evict(name, patience_s):
            return False
        self.order.remove(name)
        self.budget.freed(name)
        return True


def test_the_one_used_longest_ago_makes_room() -> None:
    case = Case()
    for name in ("a", "b", "c"):
        case.load(name, 40)
    assert case.evicted == [("a", False)]
    assert case.budget.taken() == {"b": 40, "c": 40}
    case.load("d", 100)
    assert case.evicted == [("a", False), ("b", False), ("c", False)]
    assert case.budget.taken() == {"d": 100}


def test_without_a_limit_nobody_goes() -> None:
    case = Case(limit=0)
    case.load("a", 10**15)
    case.load("b", 10**15)
    assert case.evicted == []
    assert case.budget.taken() == {"a": 10**15, "b": 10**15}


def test_a_model_larger_than_the_budget_is_refused_before_anything_goes() -> None:
    case = Case()
    case.load("a", 100)
    with pytest.raises(
        UnavailableError, match=r"^model 'b' takes 101 bytes, and the memory budget has 100$"
    ):
        case.load("b", 101)
    assert case.evicted == []


def test_a_busy_model_is_passed_over_and_gets_time_only_when_none_is_idle() -> None:
    case = Case(on_evict=lambda name, patience_s: name == "b" or patience_s > 0)
    case.load("a", 40)
    case.load("b", 40)
    case.load("c", 40)
    assert case.evicted == [("a", False), ("b", False)]
    case.load("d", 90)
    assert case.evicted[2:] == [("a", False), ("c", False), ("a", True), ("c", True)]


def test_where_nobody_can_go_the_load_is_refused_and_takes_nothing() -> None:
    case = Case(on_evict=lambda name, patience_s: False)
    case.load("a", 60)
    with pytest.raises(UnavailableError, match=r"^model 'b' takes 60 bytes, and no other model "):
        case.load("b", 60)
    assert case.budget.taken() == {"a": 60}
    case.load("c", 40)


def test_what_cannot_be_evicted_counts_all_the_same() -> None:
    case = Case()
    with case.budget.room_for("pinned", 70):
        pass  # and is in no order
    case.load("a", 30)
    with pytest.raises(UnavailableError, match="no other model can give up as much"):
        case.load("b", 31)
    assert case.evicted == [("a", False)]


def test_a_load_that_fails_gives_its_room_back() -> None:
    case = Case()
    case.load("a", 50)
    with pytest.raises(ValueError, match="broken"), case.budget.room_for("b", 50):
        raise ValueError("broken")
    with pytest.raises(ValueError, match="broken"), case.budget.room_for("a", 50):
        raise ValueError("broken")
    assert case.budget.taken() == {"a": 50}  # the old one serves on
    case.load("b", 50)
    assert case.evicted == []


def test_a_reload_needs_room_beside_what_it_replaces() -> None:
    case = Case()
    case.load("a", 40)
    case.load("b", 40)
    case.load("b", 50)
    assert case.evicted == [("a", False)]
    assert case.budget.taken() == {"b": 50}


def test_processes_count_and_may_push_others_out_after_the_load() -> None:
    case = Case(process_bytes={"b": 70})
    case.load("a", 40)
    case.load("b", 10)
    assert case.evicted == [("a", False)]
    assert case.budget.taken() == {"b": 80}


def test_a_model_that_is_all_processes_makes_room_and_one_that_takes_nothing_does_not() -> None:
    case = Case(process_bytes={"b": 70})
    case.load("a", 0)
    case.load("b", 0)
    case.load("c", 40)
    assert case.evicted == [("b", False)]
    assert case.budget.taken() == {"a": 0, "c": 40}


class Memory:
    """What is in it and what comes in, of models that load, reload, fail and go in any order."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.budget = MemoryBudget(limit, self._evict, self._least_recently_used, lambda name: 0)
        self.models: dict[str, int] = {}
        self.coming: dict[str, int] = {}
        self.outcomes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._turns = {name: threading.Lock() for name in "abcdef"}

    def load_some(self, seed: int) -> None:
        """Load and unload models as chance will have it."""
        chance = random.Random(seed)
        for _ in range(150):
            name = chance.choice("abcdef")
            with self._turns[name]:
                if chance.random() < 0.1:
                    self._unload(name)
                    continue
                try:
                    self._load(name, chance.randint(1, 60), fails=chance.random() < 0.2)
                    self.outcomes["loaded"] += 1
                except (UnavailableError, ValueError) as error:
                    self.outcomes[type(error).__name__] += 1

    def _load(self, name: str, size: int, fails: bool) -> None:
        with self.budget.loading(name), self.budget.room_for(name, size):
            with self._lock:
                self.coming[name] = size
                taken = sum(self.models.values()) + sum(self.coming.values())
                assert taken <= self.limit, f"{self.models} and {self.coming}"
            with self._lock:
                del self.coming[name]
                if fails:
                    raise ValueError("broken")
                self.models.pop(name, None)
                self.models[name] = size

    def _evict(self, name: str, patience_s: float) -> bool:
        if not self._turns[name].acquire(blocking=False):
            return False  # it reloads, or loads by itself
        try:
            self._unload(name)
        finally:
            self._turns[name].release()
        return True

    def _unload(self, name: str) -> None:
        with self._lock:
            self.models.pop(name, None)
        self.budget.freed(name)

    def _least_recently_used(self) -> list[str]:
        with self._lock:
            return list(self.models)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads that take turns in the midst of what they do."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("frequent_switches")
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_at_once_the_budget_holds(seed: int) -> None:
    memory = Memory(100)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(memory.load_some, range(4 * seed, 4 * seed + 4)))
    assert memory.budget.taken() == memory.models
    assert memory.coming == {}
    assert memory.outcomes["loaded"] > 100, memory.outcomes


@dataclass
class SlowLoad:
    """A load that has its room and goes on until the test lets it end."""

    case: Case
    name: str
    loading: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        with self.case.budget.loading(self.name):
            with self.case.budget.room_for(self.name, 80):
                self.loading.set()
                self.may_end.wait()
            self.case.order.append(self.name)


def test_a_load_waits_for_others_that_load_and_then_takes_their_place() -> None:
    case = Case()
    first = SlowLoad(case, "a")
    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(first)]
        first.loading.wait()
        loads.append(pool.submit(case.load, "b", 80))
        assert not loads[1].done()
        first.may_end.set()
        for load in loads:
            load.result()
    assert case.evicted == [("a", False)]
    assert case.budget.taken() == {"b": 80}


def test_a_load_that_had_to_wait_is_waited_for_in_turn() -> None:
    case = Case()
    first, second = SlowLoad(case, "a"), SlowLoad(case, "b")
    with ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(first)]
        first.loading.wait()
        loads.append(pool.submit(second))
        case.wait_until_somebody_waits()
        first.may_end.set()
        second.loading.wait()
        loads.append(pool.submit(case.load, "c", 80))
        case.wait_until_somebody_waits()
        second.may_end.set()
        for load in loads:
            load.result()
    assert case.evicted == [("a", False), ("b", False)]
    assert case.budget.taken() == {"c": 80}
