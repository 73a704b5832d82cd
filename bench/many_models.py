"""`python -m bench.many_models`: how long 1,000 small models take to be ready, and to be found.

Serves one identity model, and then that model and 999 others, which are ONNX models if that is
asked for; says how long each server took from its start until it listened, which is when all of its
models are ready, and what another model costs. Then both run side by side on one CPU, and a client
on another asks the same model of either, in turns: what a request costs must not depend on how many
models there are. Ends with status 1 when the many take longer to be ready than was asked for.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bench.batching import CLIENT
from bench.load import payloads
from bench.load.load_client import warm_client
from bench.load.scenarios import Scenario
from bench.load.server_process import ServerProcess, tritonpy_server
from tests.conformance.model_files import add_sub_model, identity_config, write_config, write_onnx

_SCENARIO = Scenario("many", payloads.IDENTITY, "http", 1, 1, ("native",))
_SERVER_CPU, _CLIENT_CPU = ("taskset", "--cpu-list", "0"), ("taskset", "--cpu-list", "1")


def _write_models(repository: Path, count: int, backend: str) -> Path:
    write_config(repository, payloads.IDENTITY.model, identity_config("FP32"))
    model = add_sub_model()
    for name in (f"other_{number}" for number in range(1, count)):
        if backend == "onnxruntime":
            write_onnx(repository, name, model)
        else:
            write_config(repository, name, identity_config("FP32"))
    return repository


def _server(repository: Path, pin: Sequence[str]) -> AbstractContextManager[ServerProcess]:
    return tritonpy_server(pin, "native", [repository], ["*"], [])


def _become_ready(repository: Path) -> tuple[float, float]:
    """Return how many seconds that takes, and of CPU time."""
    began = time.monotonic()
    with _server(repository, ()) as server:
        return time.monotonic() - began, server.cpu_seconds()


def _ask(server: ServerProcess, request: Path, seconds: float) -> tuple[float, float]:
    """Return the server's CPU time per inference and the median latency, both in microseconds."""
    with warm_client(CLIENT, _CLIENT_CPU, _SCENARIO, server.http_port, request, seconds) as client:
        before = server.cpu_seconds()
        load = client.run()
        cpu_s = server.cpu_seconds() - before
    return cpu_s / load.answers * 1e6, load.p50_us


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.many_models", description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--backend", choices=("identity", "onnxruntime"), default="identity")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--at-most-s", type=float, default=10.0)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 when the models were not ready in time."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        request = folder / "request"
        request.write_bytes(payloads.http_request(payloads.IDENTITY))
        counts = (1, options.models)
        repositories = [
            _write_models(folder / str(count), count, options.backend) for count in counts
        ]
        ready = [_become_ready(repository) for repository in repositories]
        with (
            _server(repositories[0], _SERVER_CPU) as one,
            _server(repositories[1], _SERVER_CPU) as many,
        ):
            rounds = [
                [_ask(server, request, options.seconds) for server in (one, many)]
                for _ in range(options.rounds)
            ]
    for which, count in enumerate(counts):
        cpu_us, p50_us = (
            statistics.median(each[which][figure] for each in rounds) for figure in (0, 1)
        )
        print(
            f"{count:5} models: ready after {ready[which][0]:.2f} s; a request takes {cpu_us:.1f} "
            f"us of the server's CPU time, {p50_us:.0f} us in the median"
        )
    (_, one_cpu_s), (many_s, many_cpu_s) = ready
    each_ms = (many_cpu_s - one_cpu_s) / (options.models - 1) * 1e3
    print(f"another {options.backend} model takes {each_ms:.2f} ms of CPU time to be ready")
    return int(many_s > options.at_most_s)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
