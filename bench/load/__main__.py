"""`python -m bench.load`: both front ends, the floor and other servers, side by side under load.

Options that it does not know go to `tritonpy serve`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.load.load_client import LoadError, warm_client
from bench.load.memory_copy import copy_ms
from bench.load.payloads import PYTHON_IDENTITY_16_MB
from bench.load.scenarios import GROUPS, SCENARIOS, Scenario
from bench.load.server_process import ServerProcess
from bench.load.subjects import SUBJECTS, Peer, Setting, Subjects
from bench.load.table import Round, table

_ROOT = Path(__file__).parents[2]
_LARGE = 16 << 20  # bytes, of the large tensors
_MAX_SERVER_THREADS = 4  # as `tritonpy serve` has it
Measure = Callable[[Scenario, str], Round | None]


def _measure(
    server: ServerProcess,
    scenario: Scenario,
    request: Path,
    program: Path,
    pin: Sequence[str],
    seconds: float,
) -> Round:
    """Load a server once; its CPU time is divided by the inferences that it counted itself."""
    port, model = server.port(scenario.protocol), scenario.payload.model
    with warm_client(program, pin, scenario, port, request, seconds) as client:
        counted_before = server.inferences(model)
        cpu_before = server.cpu_seconds()
        load = client.run()
        cpu = server.cpu_seconds() - cpu_before
        inferences = load.answers  # of a server that does not count
        if counted_before is not None:
            inferences = (server.inferences(model) or 0) - counted_before
    if inferences < load.answers:
        raise LoadError(f"{load.answers} answers, but {inferences} inferences")
    return Round(load, cpu / inferences * 1e6)


def _run_rounds(
    measure: Measure, scenarios: Sequence[Scenario], subjects: Sequence[str], rounds: int
) -> bool:
    """Measure in turn and print the table; whether every load was offered."""
    measured: dict[tuple[Scenario, str], list[Round]] = defaultdict(list)
    failed = False
    for number in range(rounds):
        for scenario in scenarios:
            for subject in subjects:
                if subject in SUBJECTS and subject not in scenario.subjects:
                    continue
                try:
                    one = measure(scenario, subject)
                except LoadError as error:
                    failed = True
                    where = f"{scenario.payload.title}, {scenario.protocol}, {scenario.clients}"
                    print(f"bench.load: {subject}: {where}: {error}", file=sys.stderr)
                    continue
                if one is not None:
                    measured[scenario, subject].append(one)
        print(f"bench.load: round {number + 1} of {rounds}", file=sys.stderr)
    print(table(measured))
    return not failed


def _peer(text: str) -> Peer:
    name, pid, http_port, grpc_port = text.split(":")
    return Peer(name, int(pid), int(http_port), int(grpc_port))


def _default_cpus() -> tuple[str, str]:
    """The last CPU for the client and the others for the servers; no pinning with a single one."""
    cpus = [str(one) for one in sorted(os.sched_getaffinity(0))]
    return (",".join(cpus[:-1]), cpus[-1]) if len(cpus) > 1 else ("any", "any")


def _pin(cpus: str) -> tuple[str, ...]:
    return () if cpus == "any" else ("taskset", "--cpu-list", cpus)


def _parser() -> argparse.ArgumentParser:
    server_cpus, client_cpus = _default_cpus()
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS)
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=SUBJECTS[:3])
    parser.add_argument("--protocols", nargs="+", choices=("http", "grpc"))
    parser.add_argument("--connections", nargs="+", type=int, help="only scenarios with so many")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--server-cpus", default=server_cpus, help="a CPU list, or any")
    parser.add_argument("--client-cpus", default=client_cpus, help="a CPU list, or any")
    parser.add_argument(
        "--peer",
        type=_peer,
        action="append",
        default=[],
        metavar="NAME:PID:HTTP_PORT:GRPC_PORT",
        help="a running V2 server with the same models; port 0 for a protocol it lacks",
    )
    parser.add_argument("--repository", type=Path, default=_ROOT / "model_repository")
    parser.add_argument("--programs", type=Path, default=_ROOT / "build/release/bench/load")
    return parser


def _selected(options: argparse.Namespace) -> list[Scenario]:
    return [
        one
        for one in SCENARIOS
        if one.group in options.only
        and (not options.protocols or one.protocol in options.protocols)
        and (not options.connections or one.connections in options.connections)
    ]


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table; 1 when a load could not be offered."""
    options, server_options = _parser().parse_known_args(arguments)
    programs: Path = options.programs
    if not (programs / "client").exists():
        print(f"bench.load: no client in {programs}: run ./dev build first", file=sys.stderr)
        return 1
    cpus = os.cpu_count() if options.server_cpus == "any" else len(options.server_cpus.split(","))
    scenarios = _selected(options)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        setting = Setting(
            programs=programs,
            repository=options.repository,
            scratch=Path(scratch),
            server_pin=_pin(options.server_cpus),
            server_threads=min(_MAX_SERVER_THREADS, cpus or 1),
            server_options=tuple(server_options),
            peers=tuple(options.peer),
        )
        subjects = Subjects(setting, stack)
        subjects.start(options.subjects, scenarios)

        def measure(scenario: Scenario, subject: str) -> Round | None:
            server = subjects.server(subject, scenario)
            if server is None:
                return None
            program, pin = programs / "client", _pin(options.client_cpus)
            request = subjects.request(scenario)
            return _measure(server, scenario, request, program, pin, options.seconds)

        names = [*options.subjects, *(one.name for one in options.peer)]
        complete = _run_rounds(measure, scenarios, names, options.rounds)
    if any(one.payload is PYTHON_IDENTITY_16_MB for one in scenarios):
        copies = [copy_ms(_LARGE, setting.server_pin) for _ in range(options.rounds)]
        print(f"\n16 MB copied there and back in memory: {statistics.median(copies):.1f} ms")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
