"""The repository index of a server, as its HTTP clients read it."""

from __future__ import annotations

from tests.conformance.raw_http import request
from tests.conformance.running_server import RunningServer

# Looks until something must have happened: minutes, where it takes milliseconds.
_LOOKS_MAX = 100_000


def states(server: RunningServer, model: str) -> list[tuple[str, str, str]]:
    """Return version, state and reason of each line that a model has; empty where one has none."""
    answer = request(server.http_port, "POST", "/v2/repository/index")
    assert answer.status == 200
    return [
        (line.get("version", ""), line.get("state", ""), line.get("reason", ""))
        for line in answer.json
        if line["name"] == model
    ]


def wait_for_state(server: RunningServer, model: str, state: str) -> None:
    """Return when a version of a model is in a state."""
    for _ in range(_LOOKS_MAX):
        if any(line[1] == state for line in states(server, model)):
            return
    raise AssertionError(f"'{model}' never was {state}, but {states(server, model)}")
