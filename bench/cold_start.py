"""`python -m bench.cold_start`: from the start of the process to its first right answer.

Serves one small ONNX model and asks it over HTTP as soon as somebody listens. The port is chosen
before, so that nothing has to be read from the server; a question that finds nobody is asked again
after two milliseconds. Warm: the first of the runs, which reads files from the disk, is left out.
Ends with status 1 when the median is above what was asked for.
"""

from __future__ import annotations

import argparse
import http.client
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.load.server_process import free_port
from tests.conformance.model_files import add_sub_model, write_onnx
from tests.conformance.running_server import server_environment

_MODEL = "add_sub"
_ASK_AGAIN_S = 0.002
_GUARD_S = 60.0


def _question() -> str:
    row = list(range(16))
    inputs = [
        {"name": name, "shape": [1, 16], "datatype": "FP32", "data": row}
        for name in ("INPUT0", "INPUT1")
    ]
    return json.dumps({"inputs": inputs})


def _is_answered(port: int, question: str) -> bool:
    """Ask once; whether the answer is there and right."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_GUARD_S)
    try:
        connection.request("POST", f"/v2/models/{_MODEL}/infer", question)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except OSError:
        return False
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        return False
    (sums,) = [each["data"] for each in answer["outputs"] if each["name"] == "OUTPUT0"]
    assert sums == [2.0 * value for value in range(16)], sums
    return True


def _start_once(repository: Path, frontend: str) -> float:
    """Return the seconds from the start of a server to its first answer."""
    port, question = free_port(), _question()
    command = [sys.executable, "-m", "tritonpy", "serve", "--repo", str(repository)]
    command += ["--frontend", frontend, "--http-address", "127.0.0.1", "--http-port", str(port)]
    command += ["--grpc-address", "127.0.0.1", "--grpc-port", "0", "--metrics-port", "0"]
    began = time.monotonic()
    server = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=server_environment(),
    )
    try:
        while not _is_answered(port, question):
            assert server.poll() is None, "the server has ended"
            assert time.monotonic() - began < _GUARD_S, "the server never answered"
            time.sleep(_ASK_AGAIN_S)
        return time.monotonic() - began
    finally:
        server.terminate()
        server.wait()


def main(arguments: Sequence[str]) -> int:
    """Start often and print the median; 1 when that is too long."""
    parser = argparse.ArgumentParser(prog="bench.cold_start", description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--frontend", choices=("native", "python"), default="native")
    parser.add_argument("--at-most-s", type=float, default=1.0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        repository = Path(directory)
        write_onnx(repository, _MODEL, add_sub_model())
        _start_once(repository, options.frontend)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = [_start_once(repository, options.frontend) for _ in range(options.runs)]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    median = statistics.median(seconds)
    print(
        f"{options.frontend}: first answer after {median:.2f} s in the median of {options.runs} "
        f"runs ({min(seconds):.2f} to {max(seconds):.2f}), {cpu_s / options.runs:.2f} s of CPU "
        "time in a run, its end included"
    )
    return int(median > options.at_most_s)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
