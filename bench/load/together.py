"""Several load clients against one server at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from bench.load.load_client import Load, warm_client
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
    """
    loads: list[Load | None] = [None] * len(requests)
    start = threading.Barrier(len(requests) + 1)

    def run(index: int, payload: Payload, request: Path) -> None:
        scenario = Scenario("together", payload, "http", connections, 1, ())
        with warm_client(program, (), scenario, server.http_port, request, seconds) as client:
            start.wait()
            loads[index] = client.run()

    threads = [
        threading.Thread(target=run, args=(index, *one)) for index, one in enumerate(requests)
    ]
    for thread in threads:
        thread.start()
    start.wait()
    before = server.cpu_seconds()
    for thread in threads:
        thread.join()
    seen = [load for load in loads if load is not None]
    if len(seen) != len(requests):
        raise RuntimeError("a client failed, and has said why")
    return seen, (server.cpu_seconds() - before) / max(load.seconds for load in seen)
