"""`python -m bench.load`: sample models over HTTP and gRPC, beside a bare uvicorn echo."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load.load_tools import Load, LoadError, h2load, wrk
from bench.load.payloads import SUBJECTS, Subject, grpc_body, http_body
from bench.load.server_process import ServerProcess, echo_server, tritonpy_server

_ROOT = Path(__file__).parents[2]
_GRPC_METHOD = "inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, slots=True)
class Round:
    """One subject under load once: what the client saw, and the server's CPU per inference."""

    load: Load
    cpu_us: float


def _measure_http(server: ServerProcess, subject: Subject, clients: int, seconds: float) -> Round:
    body, headers = http_body(subject.make_inputs())
    url = f"http://127.0.0.1:{server.http_port}/v2/models/{subject.model}/infer"
    cpu_before, count_before = server.cpu_seconds(), _inferences(server, subject)
    load = wrk(url, body, headers, clients, seconds)
    return _round(server, subject, load, cpu_before, count_before)


def _measure_grpc(server: ServerProcess, subject: Subject, clients: int, seconds: float) -> Round:
    message = grpc_body(subject.model, subject.make_inputs())
    url = f"http://127.0.0.1:{server.grpc_port}/{_GRPC_METHOD}"
    cpu_before, count_before = server.cpu_seconds(), _inferences(server, subject)
    load = h2load(url, message, clients, seconds)
    return _round(server, subject, load, cpu_before, count_before)


def _inferences(server: ServerProcess, subject: Subject) -> int:
    return server.counter("nv_inference_count", subject.model)


def _round(
    server: ServerProcess, subject: Subject, load: Load, cpu_before: float, count_before: int
) -> Round:
    """Close a round: the server must have run at least what the client saw answered."""
    inferences = _inferences(server, subject) - count_before
    if inferences < load.answers:
        raise LoadError(f"{subject.model}: {load.answers} answers, {inferences} inferences")
    return Round(load, (server.cpu_seconds() - cpu_before) / inferences * 1e6)


def _measure_echo(server: ServerProcess, subject: Subject, clients: int, seconds: float) -> Round:
    body, headers = http_body(subject.make_inputs())
    cpu_before = server.cpu_seconds()
    load = wrk(f"http://127.0.0.1:{server.http_port}/", body, headers, clients, seconds)
    return Round(load, (server.cpu_seconds() - cpu_before) / load.answers * 1e6)


def _print_table(rounds: dict[tuple[str, str, int], list[Round]]) -> None:
    print("| subject | protocol | clients | per s | p50 us | p99 us | server CPU us/inference |")
    print("|---|---|---|---|---|---|---|")
    for (name, protocol, clients), measured in rounds.items():
        cpu = [one.cpu_us for one in measured]
        print(
            f"| {name} | {protocol} | {clients} "
            f"| {statistics.median(one.load.per_second for one in measured):.0f} "
            f"| {statistics.median(one.load.p50_us for one in measured):.0f} "
            f"| {statistics.median(one.load.p99_us for one in measured):.0f} "
            f"| {statistics.median(cpu):.1f} ({min(cpu):.1f}-{max(cpu):.1f}) |"
        )


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table; 1 when a load could not be offered."""
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--models", nargs="+", default=[one.model for one in SUBJECTS])
    parser.add_argument("--repository", type=Path, default=_ROOT / "model_repository")
    options, server_options = parser.parse_known_args(arguments)
    for tool in ("wrk", "h2load"):
        if shutil.which(tool) is None:
            print(f"bench.load: {tool} is missing (Debian: wrk, nghttp2-client)", file=sys.stderr)
            return 1

    subjects = [one for one in SUBJECTS if one.model in options.models]
    rounds: dict[tuple[str, str, int], list[Round]] = defaultdict(list)
    try:
        with tritonpy_server(options.repository, server_options) as server, echo_server() as echo:
            for _ in range(options.rounds):
                for clients in options.clients:
                    load = (clients, options.seconds)
                    echoed = _measure_echo(echo, SUBJECTS[0], *load)
                    rounds["bare uvicorn echo", "http", clients].append(echoed)
                    for one in subjects:
                        rounds[one.model, "http", clients].append(_measure_http(server, one, *load))
                        rounds[one.model, "grpc", clients].append(_measure_grpc(server, one, *load))
    except LoadError as error:
        print(f"bench.load: {error}", file=sys.stderr)
        return 1
    _print_table(rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
