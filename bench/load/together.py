"""Several load clients against one server at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.load.load_client import Load, LoadClient, warm_client
from bench.load.payloads import Payload
from bench.load.scenarios import Scenario
from bench.load.server_process import ServerProcess


def offer_together(
    program: Path,
    server: ServerProcess,
    requests: Sequence[tuple[Payload, Path]],
    connections: int,
    seconds: float,
) -> tuple[list[Load], float]:
    """Send each request over HTTP from clients of its own, all of them at once.

    Returns what the clients of each request saw, and how many cores the server kept busy.
    LoadError.
    """
    with ExitStack() as stack:
        clients = []
        for payload, request in requests:
            scenario = Scenario("together", payload, "http", connections, 1, ())
            client = warm_client(program, (), scenario, server.http_port, request, seconds)
            clients.append(stack.enter_context(client))
        threads = stack.enter_context(ThreadPoolExecutor(len(clients)))
        before = server.cpu_seconds()
        loads = list(threads.map(LoadClient.run, clients))
        return loads, (server.cpu_seconds() - before) / max(load.seconds for load in loads)
