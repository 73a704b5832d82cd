"""`python -m bench.batching`: dynamic batching under load beside the best that a batch could do.

A server with one instance and one thread gets 32 clients; a bare onnxruntime session with one
thread runs batches of each size in a loop. Both are pinned to the same CPU and take turns, the
client has another. Prints the rows per second of each and the server's share of the best loop.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from bench.load import payloads
from bench.load.load_client import warm_client
from bench.load.payloads import Payload
from bench.load.scenarios import Scenario
from bench.load.server_process import ServerProcess, tritonpy_server

_ROOT = Path(__file__).parents[1]
CLIENT = _ROOT / "build/release/bench/load/client"
_SERVER_CPU, _CLIENT_CPU = ("taskset", "--cpu-list", "0"), ("taskset", "--cpu-list", "1")
_BATCH_SIZES = (1, 2, 4, 8, 16)
_CLIENTS = 32
CONV_NET = Payload(
    "basic-pitch, a convolutional network",
    "basic_pitch",
    lambda: {"serving_default_input_2:0": np.ones((1, 43844, 1), np.float32)},
)
_PAYLOADS = (payloads.MINILM, CONV_NET)
_CONFIG = """
backend: "onnxruntime"
max_batch_size: 16
dynamic_batching { }
instance_group [ { count: 1 kind: KIND_CPU } ]
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""


def model_file(payload: Payload) -> Path:
    """Return where the sample models keep the payload's model."""
    return _ROOT / "model_repository" / payload.model / "1" / "model.onnx"


def _make_repository(folder: Path) -> None:
    for payload in _PAYLOADS:
        version = folder / payload.model / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").symlink_to(model_file(payload))
        (version.parent / "config.pbtxt").write_text(_CONFIG, encoding="utf-8")


def _server_rows_per_second(server: ServerProcess, request: Path, seconds: float) -> float:
    scenario = Scenario("batching", _PAYLOADS[0], "http", _CLIENTS, 1, ())
    port = server.port(scenario.protocol)
    with warm_client(CLIENT, _CLIENT_CPU, scenario, port, request, seconds) as client:
        return client.run().per_second


def _loop_rows_per_second(payload: Payload, rows: int, seconds: float) -> float:
    """Measure in a process of its own, which has the server's CPU."""
    arguments = ("loop", payload.model, str(rows), str(seconds))
    command = [*_SERVER_CPU, sys.executable, "-m", "bench.batching", *arguments]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=_ROOT)
    return float(answer.stdout)


def run_loop(model: str, rows: int, seconds: float) -> float:
    """Return the rows per second of one session that runs batches of `rows` rows."""
    payload = next(one for one in _PAYLOADS if one.model == model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model_file(payload), options, providers=["CPUExecutionProvider"]
    )
    inputs = {name: np.repeat(array, rows, axis=0) for name, array in payload.make_inputs().items()}
    session.run(None, inputs)
    runs, start = 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds:
        session.run(None, inputs)
        runs += 1
    return runs * rows / taken


def _report(payload: Payload, server: Sequence[float], loops: dict[int, list[float]]) -> None:
    medians = {rows: statistics.median(of_rows) for rows, of_rows in loops.items()}
    best = max(medians, key=lambda rows: medians[rows])
    ours = statistics.median(server)
    table = ", ".join(f"{rows}: {medians[rows]:.0f}" for rows in medians)
    print(
        f"{payload.title}: {ours:.0f} rows/s with {_CLIENTS} clients "
        f"({min(server):.0f}-{max(server):.0f}), {ours / medians[best]:.1%} of the best loop "
        f"(batches of {best}); rows/s of the loop by batch size: {table}"
    )


def main() -> None:
    """Measure each model over HTTP and print a line for it."""
    parser = argparse.ArgumentParser(prog="bench.batching", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        repository = Path(scratch) / "models"
        _make_repository(repository)
        models = [payload.model for payload in _PAYLOADS]
        with tritonpy_server(_SERVER_CPU, "native", [repository], models, ()) as server:
            for payload in _PAYLOADS:
                request = Path(scratch) / "request"
                request.write_bytes(payloads.http_request(payload))
                served: list[float] = []
                loops: dict[int, list[float]] = {rows: [] for rows in _BATCH_SIZES}
                for _ in range(options.rounds):
                    served.append(_server_rows_per_second(server, request, options.seconds))
                    for rows, of_rows in loops.items():
                        of_rows.append(_loop_rows_per_second(payload, rows, options.seconds))
                _report(payload, served, loops)


if __name__ == "__main__":
    if sys.argv[1:2] == ["loop"]:
        print(run_loop(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
    else:
        main()
