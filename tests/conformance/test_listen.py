"""Goal: a server that cannot listen where it should says so in one line and ends.

Method: a socket of the test holds the port of one service after the other.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_server import server_environment


@pytest.mark.parametrize(
    ("option", "service"), [("http", "HTTP"), ("grpc", "GRPC"), ("metrics", "Metrics")]
)
def test_port_that_is_taken_ends_the_start(
    frontend: str, tmp_path: Path, option: str, service: str
) -> None:
    write_config(tmp_path, "model", identity_config("FP32"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"http": 0, "grpc": 0, "metrics": 0, option: port}
        command = [sys.executable, "-m", "tritonpy", "serve", "--repo", str(tmp_path)]
        command += ["--frontend", frontend, "--http-address=127.0.0.1", "--grpc-address=127.0.0.1"]
        command += [f"--{name}-port={number}" for name, number in ports.items()]
        ended = subprocess.run(
            command, capture_output=True, text=True, env=server_environment(), check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"failed to start {service} service: Unavailable - Socket '127.0.0.1:{port}' already in use"
    )
