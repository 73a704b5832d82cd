"""`python -m bench.soak.unloads`: what a model took comes back when it is unloaded, every time.

Loads a model of 50 MB, asks it once and unloads it, a thousand times, beside a small one of its
kind that has answered and stays: with it come the libraries, 26 MiB with ONNX Runtime. `--model
python` does the same with a Python model and its worker, and `--model large` sends 64 requests of
8 MiB to an identity model before each unload. Reads the server's resident size before the first
load and after each unload. Ends with status 1 when at the end it lies more than a tenth above the
start, or when there are more descriptors or threads than after the first cycles.
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

_MODEL, _RESIDENT = "unloaded", "resident"
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


def _onnx_model(width: int) -> onnx.ModelProto:
    weights = np.random.default_rng(1).standard_normal((width, width), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["INPUT0", "WEIGHTS"], ["OUTPUT0"])],
        "square",
        [helper.make_tensor_value_info("INPUT0", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("OUTPUT0", TensorProto.FLOAT, ["batch", width])],
        [onnx.numpy_helper.from_array(weights, "WEIGHTS")],
    )
    return checked_model(graph)


def _ask(client: Client, values: int, model: str = _MODEL) -> None:
    client.infer(model, {"INPUT0": np.ones((1, values), np.float32)})


def _ask_much(server: RunningServer) -> None:
    def ask(_: int) -> None:
        with connect("http", server) as client:
            _ask(client, _LARGE_VALUES)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(_LARGE_REQUESTS)))


# By kind, what writes a model of a name that takes inputs of so many values.
_WRITERS: Mapping[str, Callable[[Path, str, int], object]] = {
    "onnx": lambda repository, name, width: write_onnx(repository, name, _onnx_model(width)),
    "python": lambda repository, name, _: write_python_model(repository, name),
    "large": lambda repository, name, _: write_config(repository, name, identity_config("FP32")),
}


def _say(when: str, sample: Sample, start: Sample) -> None:
    ratio = sample.resident_bytes / start.resident_bytes
    print(
        f"{when:>11}  {sample.resident_bytes / 2**20:6.1f} MiB ({ratio:.3f} of the start)  "
        f"{sample.descriptors} descriptors  {sample.threads} threads",
        flush=True,
    )


def _soak(server: RunningServer, kind: str, cycles: int) -> list[Sample]:
    """Return the samples, that of the start first."""
    process = psutil.Process(server.pid)
    with connect("grpc", server) as client:
        _ask(client, 1, _RESIDENT)
        samples = [_sample(process)]
        _say("start", samples[0], samples[0])
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
            if cycle in (1, _FIRST_CYCLES) or cycle % max(1, cycles // 10) == 0:
                _say(f"{cycle} cycles", samples[-1], samples[0])
    return samples


def _least(samples: Sequence[Sample]) -> Sample:
    """Return the least of each: the last answers of a cycle may still hold something at its end."""
    return Sample(
        min(each.resident_bytes for each in samples),
        min(each.descriptors for each in samples),
        min(each.threads for each in samples),
    )


def _complaints(samples: Sequence[Sample]) -> list[str]:
    start, *cycles = samples
    first, last = _least(cycles[:_FIRST_CYCLES]), _least(cycles[-_FIRST_CYCLES:])
    complaints = list[str]()
    if last.resident_bytes > start.resident_bytes * (1 + _GROWTH_SHARE):
        growth = (last.resident_bytes - start.resident_bytes) / 2**20
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
    server_options = ServerOptions(("--model-control-mode", "explicit", "--load-model", _RESIDENT))
    with tempfile.TemporaryDirectory() as directory:
        for name, width in ((_MODEL, _WIDTH), (_RESIDENT, 1)):
            _WRITERS[options.model](Path(directory), name, width)
        with RunningServer(Path(directory), server_options) as server:
            samples = _soak(server, options.model, options.cycles or _CYCLES[options.model])
    complaints = _complaints(samples)
    print("\n".join(complaints) or "all was given back")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
