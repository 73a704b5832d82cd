"""What the processes of clients do: each client works in a thread of its own until told to stop."""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event

from bench.soak.hostile_clients import ATTACKS, Attack
from bench.soak.valid_clients import CLIENTS, Client, Ports

# Between two units of one client's work, so that the machine's other half is left to the server.
_VALID_PAUSE_S = 0.005
_HOSTILE_PAUSE_S = 0.5
_FAILURES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Report:
    """What one client did until the end."""

    client: str
    units: int
    failures: tuple[str, ...]


def _run_client(
    name: str, unit: Callable[[], None], stop: Event, pause_s: float, reports: Queue[Report]
) -> None:
    units, failures = 0, list[str]()
    while not stop.is_set() and len(failures) < _FAILURES_KEPT:
        try:
            unit()
        except Exception:
            failures.append(f"{name}, unit {units}:\n{traceback.format_exc()}")
        units += 1
        stop.wait(pause_s)
    reports.put(Report(name, units, tuple(failures)))


def run_valid(ports: Ports, seed: int, stop: Event, reports: Queue[Report]) -> None:
    """Run every valid client; each puts one report when `stop` is set."""

    def run(client: Client, chance: random.Random) -> None:
        with client(ports) as work:
            _run_client(client.__name__, lambda: work(chance), stop, _VALID_PAUSE_S, reports)

    _in_threads([partial(run, one, random.Random(f"{seed} {one.__name__}")) for one in CLIENTS])


def run_hostile(ports: Ports, seed: int, stop: Event, reports: Queue[Report]) -> None:
    """Make every attack again and again; each puts one report when `stop` is set."""

    def run(attack: Attack, chance: random.Random) -> None:
        unit = partial(attack, ports, chance)
        _run_client(attack.__name__, unit, stop, _HOSTILE_PAUSE_S, reports)

    _in_threads([partial(run, one, random.Random(f"{seed} {one.__name__}")) for one in ATTACKS])


def _in_threads(bodies: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
