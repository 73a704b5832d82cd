"""`python -m bench.latency_objective`: a latency objective beside the best fixed queue delay.

One server, one CPU, one instance; the client on another CPU sends single rows at random (Poisson)
whether or not answers have come, at several multiples of what the model can serve, which is
measured just before. The same model is served with several fixed delays of the dynamic batcher,
with no delay and two queue timeouts (what a careful operator would set up), and with the objective;
each takes its turn at each load. Goodput is the share of requests that were answered
within the objective, seen by the client; late is the share of the answers that came after it.

By default that is a look of a minute; figures to be quoted take `--loads 0.5 0.75 1 1.25 1.5
--seconds 10`, which is eight minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.load import payloads
from bench.load.load_client import LoadError
from bench.load.payloads import Payload
from bench.load.server_process import tritonpy_server

_ROOT = Path(__file__).parents[1]
_SERVER_CPU = ("taskset", "--cpu-list", "0")
_PAYLOAD = payloads.MINILM
_CLOSED_LOOP_CLIENTS = 32
_WARM_UP_S = 2.0
_CONFIG = """
backend: "onnxruntime"
max_batch_size: 16
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}
{}
"""
_OBJECTIVE = 'parameters {{ key: "latency_objective_microseconds" value {{ string_value: "{}" }} }}'
_TIMEOUT = "default_queue_policy {{ default_timeout_microseconds: {} }}"
_OURS = "objective"


@dataclass(slots=True)
class Outcome:
    """What came of the requests of one measurement; latencies in seconds."""

    sent: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)

    def goodput(self, objective_s: float) -> float:
        """The share of requests that were answered in time."""
        return sum(one <= objective_s for one in self.latencies) / self.sent

    def late(self, objective_s: float) -> float:
        """The share of answers that came too late."""
        answers = len(self.latencies)
        return sum(one > objective_s for one in self.latencies) / answers if answers else 0.0

    def add(self, other: Outcome) -> None:
        """Count another measurement in."""
        self.sent += other.sent
        self.refused += other.refused
        self.latencies += other.latencies


class Caller:
    """Calls one model over connections that are kept; a call that finds none makes one."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self, outcome: Outcome) -> None:
        """Send one request and note what comes of it. Raises LoadError for any other answer."""
        start = time.perf_counter()
        outcome.sent += 1
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        status = int(head.split(b" ", 2)[1])
        if status == 200:
            outcome.latencies.append(time.perf_counter() - start)
        elif status == 503:
            outcome.refused += 1
        else:
            raise LoadError(body.decode(errors="replace"))
        self._idle.append((reader, writer))

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.close()


async def _closed_loop(port: int, request: bytes, seconds: float) -> float:
    """Return the answers per second of a fixed number of clients."""
    caller, outcome = Caller(port, request), Outcome()
    end = time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < end:
            await caller.call(outcome)

    await asyncio.gather(*(client() for _ in range(_CLOSED_LOOP_CLIENTS)))
    caller.close()
    return len(outcome.latencies) / seconds


async def _open_loop(port: int, request: bytes, rate: float, seconds: float) -> Outcome:
    """Send Poisson arrivals and wait for every answer. Raises LoadError where it fell behind."""
    caller, outcome, calls = Caller(port, request), Outcome(), []
    dice = random.Random(round(rate * 1000))
    start = due = time.perf_counter()
    behind = []
    while (due := due + dice.expovariate(rate)) < start + seconds:
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        behind.append(time.perf_counter() - due)
        calls.append(asyncio.create_task(caller.call(outcome)))
    await asyncio.gather(*calls)
    caller.close()
    if statistics.median(behind) > 0.005:
        raise LoadError(f"the client was {statistics.median(behind) * 1e3:.1f} ms behind its plan")
    return outcome


def _setups(objective_us: int, config_us: int) -> Iterator[tuple[str, str]]:
    """Yield name and `dynamic_batching` of every model."""
    yield _OURS, f"{_OBJECTIVE.format(config_us)} dynamic_batching {{ }}"
    for share in (0, 5, 10, 20, 40):
        delay_us = objective_us * share // 100
        delay = f"max_queue_delay_microseconds: {delay_us}"
        yield f"delay_{delay_us}", f"dynamic_batching {{ {delay} }}"
    for share in (50, 75):
        timeout_us = objective_us * share // 100
        yield f"timeout_{timeout_us}", f"dynamic_batching {{ {_TIMEOUT.format(timeout_us)} }}"


def _make_repository(folder: Path, setups: dict[str, str]) -> None:
    model_file = _ROOT / "model_repository" / _PAYLOAD.model / "1" / "model.onnx"
    for name, batching in setups.items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").symlink_to(model_file.resolve())
        config = _CONFIG.format(batching)
        (version.parent / "config.pbtxt").write_text(config, encoding="utf-8")


def _best(outcomes: dict[str, Outcome], kind: str, objective_s: float) -> tuple[str, float]:
    goodputs = {
        name: outcome.goodput(objective_s)
        for name, outcome in outcomes.items()
        if name.startswith(kind)
    }
    name = max(goodputs, key=lambda one: goodputs[one])
    return name, goodputs[name]


def _report(title: str, outcomes: dict[str, Outcome], objective_s: float) -> None:
    ours = outcomes[_OURS]
    goodput = ours.goodput(objective_s)
    texts = [
        f"{title}: {goodput:.1%} in time, {ours.late(objective_s):.3%} of {len(ours.latencies)} "
        f"answers late, {ours.refused / ours.sent:.1%} refused"
    ]
    for kind in ("delay", "timeout"):
        name, best = _best(outcomes, kind, objective_s)
        late = outcomes[name].late(objective_s)
        ratio = goodput / best if best else float("inf")
        texts.append(f"best {kind} ({name}): {best:.1%}, {late:.1%} late, x{ratio:.2f}")
    print("; ".join(texts), flush=True)


def _run(
    port: int, requests: dict[str, bytes], objective_s: float, options: argparse.Namespace
) -> None:
    totals = {name: Outcome() for name in requests}
    asyncio.run(_closed_loop(port, requests[_OURS], _WARM_UP_S))  # costs are learned
    for load in options.loads:
        outcomes = {name: Outcome() for name in requests}
        for _ in range(options.rounds):
            capacity = asyncio.run(_closed_loop(port, requests["delay_0"], _WARM_UP_S))
            for name, request in requests.items():
                measured = asyncio.run(_open_loop(port, request, load * capacity, options.seconds))
                outcomes[name].add(measured)
        for name, outcome in outcomes.items():
            totals[name].add(outcome)
        _report(f"{load:.2f} of {capacity:.0f}/s", outcomes, objective_s)
    _report("all loads", totals, objective_s)


def main() -> None:
    """Measure every load and print a line for each, and one for all."""
    parser = argparse.ArgumentParser(prog="bench.latency_objective", description=__doc__)
    parser.add_argument("--objective-ms", type=float, default=200.0, help="as the client sees it")
    parser.add_argument("--network-ms", type=float, default=20.0, help="of it, not the server's")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.75, 1.25])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    options = parser.parse_args()
    objective_us = round(options.objective_ms * 1000)
    config_us = objective_us - round(options.network_ms * 1000)
    setups = dict(_setups(objective_us, config_us))
    requests = {name: payloads.http_request(_renamed(name)) for name in setups}
    with tempfile.TemporaryDirectory() as scratch:
        _make_repository(Path(scratch), setups)
        models: Sequence[str] = list(setups)
        with tritonpy_server(_SERVER_CPU, "native", [Path(scratch)], models, ()) as server:
            _run(server.http_port, requests, objective_us / 1e6, options)


def _renamed(name: str) -> Payload:
    return replace(_PAYLOAD, model=name)


if __name__ == "__main__":
    main()
