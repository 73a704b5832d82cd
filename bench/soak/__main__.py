"""`python -m bench.soak`: valid load and abuse side by side; memory must stay flat.

Starts a server and two processes of clients: those that check every answer, and those that attack.
Once a second it reads the server's resident size and descriptors. Ends with status 1 when a valid
request failed, when the server logged an internal error, when descriptors did not come back, or
when memory grew: the median of the last quarter is compared with that of the second quarter, since
pools and the allocator fill up in the first.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.soak.client_process import Report, run_hostile, run_valid
from bench.soak.hostile_clients import ATTACKS
from bench.soak.valid_clients import CLIENTS, Ports, write_models
from tests.abuse.footprint import Footprint, assert_serves
from tests.conformance.running_server import RunningServer, ServerOptions

_DESCRIPTORS = 10_000
_SAMPLE_S = 1.0
_REPORT_EVERY = 30
# What the last quarter may have above the second: noise of the allocator.
_GROWTH_SHARE, _GROWTH_BYTES = 0.05, 16 << 20
_SERVER_OPTIONS = ("--request-timeout-secs=3", "--idle-timeout-secs=30", "--exit-timeout-secs=20")


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment."""

    resident_bytes: int
    descriptors: int


def _watch(footprint: Footprint, minutes: float) -> list[Sample]:
    """Sample the server for so long, and say now and then how it is."""
    samples = list[Sample]()
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        samples.append(Sample(footprint.resident_bytes_now(), footprint.descriptors_now()))
        if len(samples) % _REPORT_EVERY == 0:
            last = samples[-1]
            print(
                f"{len(samples) * _SAMPLE_S:6.0f} s  {last.resident_bytes >> 20:5d} MiB  "
                f"{last.descriptors:6d} descriptors",
                flush=True,
            )
        time.sleep(_SAMPLE_S)
    return samples


def _memory_complaints(samples: Sequence[Sample]) -> list[str]:
    quarter = len(samples) // 4
    second = statistics.median(one.resident_bytes for one in samples[quarter : 2 * quarter])
    last = statistics.median(one.resident_bytes for one in samples[-quarter:])
    print(f"median resident size: {second / 2**20:.1f} MiB in the second quarter, ", end="")
    print(f"{last / 2**20:.1f} MiB in the last")
    if last > second * (1 + _GROWTH_SHARE) + _GROWTH_BYTES:
        return [f"memory grew by {(last - second) / 2**20:.1f} MiB"]
    return []


def _soak(server: RunningServer, minutes: float, seed: int) -> list[str]:
    """Return everything that was not as it should be."""
    ports = Ports(server.http_port, server.grpc_port, server.metrics_port)
    assert_serves(server)
    footprint = Footprint(server)
    context = multiprocessing.get_context("spawn")
    stop, reports = context.Event(), context.Queue()
    clients = [
        context.Process(target=target, args=(ports, seed, stop, reports))
        for target in (run_valid, run_hostile)
    ]
    for client in clients:
        client.start()
    samples = _watch(footprint, minutes)
    stop.set()
    complaints = list[str]()
    for _ in range(len(CLIENTS) + len(ATTACKS)):
        report: Report = reports.get(timeout=300)
        print(f"{report.client:>20}: {report.units} units, {len(report.failures)} failed")
        complaints += report.failures
    for client in clients:
        client.join()
    assert_serves(server)
    complaints += _memory_complaints(samples)
    try:
        footprint.assert_descriptors_are_back()
    except AssertionError as error:
        complaints.append(str(error))
    complaints += [line for line in server.output.splitlines() if "internal error" in line]
    return complaints


def main() -> int:
    """Run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frontend", choices=("native", "python"), default="native")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_DESCRIPTORS, hard), hard))
    with tempfile.TemporaryDirectory() as directory:
        write_models(Path(directory))
        options = ServerOptions(_SERVER_OPTIONS, frontend=arguments.frontend)
        with RunningServer(Path(directory), options) as server:
            complaints = _soak(server, arguments.minutes, arguments.seed)
            status = server.stop()
    if status != 0:
        complaints.append(f"the server ended with status {status}:\n{server.output[-5000:]}")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print("FAILED" if complaints else "passed")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
