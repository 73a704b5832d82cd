"""What is measured: which request, how it is carried, and how many of it are in flight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.load import payloads
from bench.load.payloads import Payload

Protocol = Literal["http", "grpc"]
PROTOCOLS: tuple[Protocol, ...] = ("http", "grpc")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A closed loop of `connections` times `streams` clients; `subjects` take turns in it."""

    group: str
    payload: Payload
    protocol: Protocol
    connections: int
    streams: int
    subjects: tuple[str, ...]

    @property
    def clients(self) -> str:
        """How many calls are in flight, and over how many connections."""
        streams = f" x {self.streams} streams" if self.streams > 1 else ""
        return f"{self.connections}{streams}"


def _both(
    group: str, payload: Payload, connections: tuple[int, ...], subjects: tuple[str, ...]
) -> tuple[Scenario, ...]:
    return tuple(
        Scenario(group, payload, protocol, count, 1, subjects)
        for protocol in PROTOCOLS
        for count in connections
    )


_ALL = ("native", "python", "floor", "echo")
SCENARIOS = (
    *_both("identity", payloads.IDENTITY, (1, 32), _ALL),
    *_both("connections", payloads.IDENTITY, (64, 1000), ("native", "floor")),
    Scenario("streams", payloads.IDENTITY, "grpc", 1, 32, ("native", "python", "floor")),
    *_both("large", payloads.IDENTITY_1_MB, (4,), ("native", "floor")),
    *_both("large", payloads.IDENTITY_16_MB, (2,), ("native", "floor")),
    *_both("python", payloads.IDENTITY, (1, 32), ("native",)),
    *_both("python", payloads.PYTHON_IDENTITY, (1, 32), ("native",)),
    *_both("python", payloads.PYTHON_BLS, (1,), ("native",)),
    *_both("python", payloads.IDENTITY_16_MB, (1,), ("native", "floor")),
    *_both("python", payloads.PYTHON_IDENTITY_16_MB, (1,), ("native",)),
    *_both("models", payloads.DIGITS, (32,), ("native", "python")),
    *_both("models", payloads.MINILM, (32,), ("native", "python")),
)
GROUPS = tuple(dict.fromkeys(one.group for one in SCENARIOS))
