"""`python -m bench.soak.unloads`: what a model took comes back when it is unloaded, every time.

Loads a model of 50 MB, asks it once and unloads it, a thousand times. `--model python` does the
same with a Python model and its worker, and `--model large` sends 64 requests of 8 MiB to an
identity model before each unload. Reads the server's resident size after each unload. Ends with
status 1 when at the end it lies more than a tenth above what it was after the first cycles, in
which libraries are loaded, or when descriptors or threads are left.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.model_files import checked_model, identity_config, write_config, write_onnx
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_MODEL = "unloaded"
_WIDTH = 3600  # of a square of FP32: 51.84 MB
_LARGE_REQUESTS = 64
_LARGE_VALUES = 2 << 20
_CYCLES = {"onnx": 1000, "python": 200, "large": 100}
_FIRST_CYCLES = 5
_GROWTH_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server held after an unload."""

    resident_bytes: int
    descriptors: int
    threads: int


def _sample(process: psutil.Process) -> Sample:
    return Sample(int(process.memory_info().rss), process.num_fds(), process.num_threads())


def _large_onnx_model() -> onnx.ModelProto:
    weights = np.random.default_rng(1).standard_normal((_WIDTH, _WIDTH), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["INPUT0", "WEIGHTS"], ["OUTPUT0"])],
        "large",
        [helper.make_tensor_value_info("INPUT0", TensorProto.FLOAT, ["batch", _WIDTH])],
        [helper.make_tensor_value_info("OUTPUT0", TensorProto.FLOAT, ["batch", _WIDTH])],
        [onnx.numpy_helper.from_array(weights, "WEIGHTS")],
    )
    return checked_model(graph)


def _write_large_identity(repository: Path) -> None:
    write_config(repository, _MODEL, identity_config("FP32"))


def _ask(client: Client, values: int) -> None:
    client.infer(_MODEL, {"INPUT0": np.ones((1, values), np.float32)})


def _ask_much(server: RunningServer) -> None:
    def ask(_: int) -> None:
        with connect("http", server) as client:
            _ask(client, _LARGE_VALUES)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(_LARGE_REQUESTS)))


_WRITERS: Mapping[str, Callable[[Path], object]] = {
    "onnx": lambda repository: write_onnx(repository, _MODEL, _large_onnx_model()),
    "python": lambda repository: write_python_model(repository, _MODEL),
    "large": _write_large_identity,
}


def _soak(server: RunningServer, kind: str, cycles: int) -> list[Sample]:
    process = psutil.Process(server.pid)
    print(f"nothing loaded: {_sample(process).resident_bytes / 2**20:.1f} MiB")
    samples = list[Sample]()
    with connect("grpc", server) as client:
        ask = {
            "onnx": partial(_ask, client, _WIDTH),
            "python": partial(_ask, client, 1),
            "large": partial(_ask_much, server),
        }[kind]
        for cycle in range(1, cycles + 1):
            client.raw.load_model(_MODEL)
            ask()
            client.raw.unload_model(_MODEL)
            samples.append(_sample(process))
            if cycle in (1, 2, _FIRST_CYCLES) or cycle % (cycles // 10) == 0:
                last = samples[-1]
                print(
                    f"{cycle:5} cycles  {last.resident_bytes / 2**20:6.1f} MiB  "
                    f"{last.descriptors} descriptors  {last.threads} threads",
                    flush=True,
                )
    return samples


def _least(samples: Sequence[Sample]) -> Sample:
    """Return the least of each: the last answers of a cycle may still hold something at its end."""
    return Sample(
        min(each.resident_bytes for each in samples),
        min(each.descriptors for each in samples),
        min(each.threads for each in samples),
    )


def _complaints(samples: Sequence[Sample]) -> list[str]:
    # The very first cycle loads libraries.
    first, last = _least(samples[1:_FIRST_CYCLES]), _least(samples[1 - _FIRST_CYCLES :])
    complaints = list[str]()
    if last.resident_bytes > first.resident_bytes * (1 + _GROWTH_SHARE):
        growth = (last.resident_bytes - first.resident_bytes) / 2**20
        complaints.append(f"memory grew by {growth:.1f} MiB")
    if last.descriptors > first.descriptors or last.threads > first.threads:
        complaints.append("descriptors or threads were left")
    return complaints


def main(arguments: Sequence[str]) -> int:
    """Soak and print the figures; 1 when something was not given back."""
    parser = argparse.ArgumentParser(prog="bench.soak.unloads", description=__doc__)
    parser.add_argument("--model", choices=tuple(_WRITERS), default="onnx")
    parser.add_argument("--cycles", type=int, help="1000 of ONNX models by default")
    options = parser.parse_args(arguments)
    server_options = ServerOptions(("--model-control-mode", "explicit"))
    with tempfile.TemporaryDirectory() as directory:
        _WRITERS[options.model](Path(directory))
        with RunningServer(Path(directory), server_options) as server:
            samples = _soak(server, options.model, options.cycles or _CYCLES[options.model])
    complaints = _complaints(samples)
    print("\n".join(complaints) or "all was given back")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
