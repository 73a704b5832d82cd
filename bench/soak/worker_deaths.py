"""`python -m bench.soak.worker_deaths`: a random worker is killed every second, under load.

Serves a Python model of three instances and asks it from several threads all the time. Each second
one of its workers is killed, whether it runs or is only starting. Ends with status 1 when a request
failed otherwise than by being inside a worker that died, when more failed at one death than can
have been inside, when throughput did not come back, or when memory or descriptors grew from the
second quarter to the last.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from tests.conformance.clients import Client
from tests.conformance.python_models import IDENTITY_CONFIG, workers_of, write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.steady_clients import SteadyClients

_MODEL = "killed"
_CLIENTS = 8
_INTERVAL_S = 1.0
_SOURCE = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", r.inputs()[0].as_numpy())])
                for r in requests
            ]
"""
_THREE_INSTANCES = "instance_group [ { count: 3 kind: KIND_CPU } ]\n"
_DEATH = "is not healthy."
_DATA = np.array([[1, 2, 3]], np.float32)
# What the last quarter may have above the second: noise of the allocator.
_GROWTH_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """What one second brought, and what the server held at its end."""

    answers: int
    failures: int
    resident_bytes: int
    descriptors: int


def _ask(client: Client) -> None:
    result = client.infer(_MODEL, {"INPUT0": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)


def _soak(server: RunningServer, seconds: int, seed: int) -> tuple[list[Sample], list[str]]:
    process, choice, samples = psutil.Process(server.pid), random.Random(seed), list[Sample]()
    clients, deaths = SteadyClients(server, ["grpc"] * _CLIENTS, _ask), 0
    asked = failed = 0
    for _ in range(seconds):
        if workers := workers_of(server):
            choice.choice(workers).kill()
            deaths += 1
        time.sleep(_INTERVAL_S)
        asked_before, failed_before = asked, failed
        asked, failed = clients.asked, len(clients.failures)
        failures = failed - failed_before
        answers = asked - asked_before - failures
        samples.append(Sample(answers, failures, int(process.memory_info().rss), process.num_fds()))
    clients.stop()
    print(f"{deaths} deaths")
    texts = [str(failure) for failure in clients.failures]
    return samples, [text for text in texts if _DEATH not in text]


def _complaints(samples: Sequence[Sample], strange: Sequence[str]) -> list[str]:
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    complaints = [f"a request failed otherwise: {text}" for text in strange[:3]]
    if most := max((one.failures for one in samples if one.failures > _CLIENTS), default=0):
        complaints.append(f"{most} requests failed within a second, {_CLIENTS} were under way")
    if min(one.answers for one in samples) == 0:
        complaints.append("there was a second without an answer")
    resident = [statistics.median(one.resident_bytes for one in part) for part in (second, last)]
    if resident[1] > resident[0] + _GROWTH_BYTES:
        complaints.append(f"memory grew by {(resident[1] - resident[0]) / 2**20:.1f} MiB")
    descriptors = [max(one.descriptors for one in part) for part in (second, last)]
    if descriptors[1] > descriptors[0]:
        complaints.append(f"descriptors grew from {descriptors[0]} to {descriptors[1]}")
    return complaints


def _print_figures(samples: Sequence[Sample]) -> None:
    failures = [one.failures for one in samples]
    print(
        f"{len(samples)} s: {sum(one.answers for one in samples)} answers, {sum(failures)} failures"
        f" (at most {max(failures)} in a second); answers in a second:"
        f" {min(one.answers for one in samples)} at least,"
        f" {statistics.median(one.answers for one in samples):.0f} in the median"
    )
    for at in sorted({0, *range(9, len(samples), 10), len(samples) - 1}):
        one = samples[at]
        print(
            f"{at + 1:4} s  {one.resident_bytes / 2**20:6.1f} MiB  {one.descriptors} descriptors"
            f"  {one.answers} answers  {one.failures} failures"
        )


def main(arguments: Sequence[str]) -> int:
    """Soak and print the figures; 1 when something was not as it should be."""
    parser = argparse.ArgumentParser(prog="bench.soak.worker_deaths", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as repository:
        config = IDENTITY_CONFIG + _THREE_INSTANCES
        write_python_model(Path(repository), _MODEL, _SOURCE, config)
        with RunningServer(Path(repository), ServerOptions(frontend="native")) as server:
            samples, strange = _soak(server, options.seconds, options.seed)
    _print_figures(samples)
    complaints = _complaints(samples, strange)
    print("\n".join(complaints) or "all was as it should be")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
