"""Compiled load generators: `wrk` for HTTP and `h2load` for gRPC, and what they measured."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6}


class LoadError(Exception):
    """The load that was asked for could not be offered, or was not answered."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the client saw: answers per second, latencies in microseconds."""

    answers: int
    per_second: float
    p50_us: float
    p99_us: float


def _run(command: list[str], seconds: float) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds * 3 + 30, check=False
    )
    if done.returncode != 0:
        raise LoadError(f"{command[0]} failed: {done.stderr or done.stdout}")
    return done.stdout


def wrk(url: str, body: bytes, headers: dict[str, str], clients: int, seconds: float) -> Load:
    """POST the same body over `clients` keep-alive connections."""
    lines = ['wrk.method = "POST"']
    lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(headers[name])}" for name in headers]
    with tempfile.TemporaryDirectory() as folder:
        payload, script = Path(folder, "body"), Path(folder, "post.lua")
        payload.write_bytes(body)
        lines.append(f'local file = io.open({json.dumps(str(payload))}, "rb")')
        lines.append('wrk.body = file:read("*a")')
        script.write_text("\n".join(lines))
        command = ["wrk", "--latency", "-t1", f"-c{clients}", f"-d{seconds:g}s"]
        output = _run([*command, "-s", str(script), url], seconds)
    if "Non-2xx" in output or "Socket errors" in output:
        raise LoadError(f"not every request was answered:\n{output}")

    def latency(percent: str) -> float:
        found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)$", output, re.MULTILINE)
        assert found is not None, output
        return float(found[1]) * _MICROSECONDS[found[2]]

    answers = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert answers is not None, output
    assert rate is not None, output
    return Load(int(answers[1]), float(rate[1]), latency("50"), latency("99"))


def h2load(url: str, message: bytes, clients: int, seconds: float) -> Load:
    """Call a unary gRPC method with the same message over `clients` connections."""
    with tempfile.TemporaryDirectory() as folder:
        payload, log = Path(folder, "message"), Path(folder, "log")
        payload.write_bytes(message)
        command = ["h2load", "-t1", f"-c{clients}", "-m1", f"-D{seconds:g}"]
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        output = _run([*command, *headers, f"--data={payload}", f"--log-file={log}", url], seconds)
        rows = [line.split("\t") for line in log.read_text().splitlines()]
    if not rows or any(status != "200" for _, status, _ in rows):
        raise LoadError(f"not every call was answered:\n{output}")
    latencies = sorted(float(elapsed) for _, _, elapsed in rows)
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(rows), len(rows) / seconds, cuts[49], cuts[98])
