"""The table of a run: medians over the rounds, server CPU first, each beside the floor."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.load.load_client import Load
from bench.load.scenarios import Scenario

_HEADS = (
    "request",
    "protocol",
    "connections",
    "subject",
    "server CPU us per inference (spread)",
    "of the floor's",
    "per s",
    "of the floor's",
    "p50 us",
    "p99 us",
    "client CPU us (busy)",
)


@dataclass(frozen=True, slots=True)
class Round:
    """One subject under load once: what the client saw, and the server's CPU per inference."""

    load: Load
    server_cpu_us: float


Rounds = Mapping[tuple[Scenario, str], Sequence[Round]]


def _median(rounds: Sequence[Round], figure: Callable[[Round], float]) -> float:
    return statistics.median(figure(one) for one in rounds)


def _cpu(one: Round) -> float:
    return one.server_cpu_us


def _rate(one: Round) -> float:
    return one.load.per_second


def _ratio(
    rounds: Sequence[Round], floor: Sequence[Round] | None, figure: Callable[[Round], float]
) -> str:
    return f"{_median(rounds, figure) / _median(floor, figure):.2f}" if floor else ""


def _row(scenario: Scenario, subject: str, rounds: Rounds) -> tuple[str, ...]:
    measured, floor = rounds[scenario, subject], rounds.get((scenario, "floor"))
    cpu = [one.server_cpu_us for one in measured]
    client_cpu = _median(measured, lambda one: one.load.cpu_us)
    busy = _median(measured, lambda one: one.load.busy)
    return (
        scenario.payload.title,
        {"http": "HTTP", "grpc": "gRPC"}[scenario.protocol],
        scenario.clients,
        subject,
        f"{statistics.median(cpu):.1f} ({min(cpu):.1f}-{max(cpu):.1f})",
        _ratio(measured, floor, _cpu),
        f"{_median(measured, _rate):.0f}",
        _ratio(measured, floor, _rate),
        f"{_median(measured, lambda one: one.load.p50_us):.0f}",
        f"{_median(measured, lambda one: one.load.p99_us):.0f}",
        f"{client_cpu:.1f} ({busy:.0%})",
    )


def table(rounds: Rounds) -> str:
    """Return the rounds as a Markdown table, in the order in which they were first measured."""
    rows = [_HEADS, tuple("---" for _ in _HEADS)]
    rows += [_row(scenario, subject, rounds) for scenario, subject in rounds]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
