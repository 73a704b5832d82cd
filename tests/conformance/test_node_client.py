"""Goal: a gRPC client that shares no code with ours, nor with gRPC for Python, works unchanged.

Method: tests/node/client.mjs, over @grpc/grpc-js and the .proto files of this project, calls a
server plainly and through TLS, and prints what it got.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.certificates import Authority, tls_arguments
from tests.conformance.model_files import execute_delay, identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

_ROOT = Path(__file__).parents[2]
_CLIENT = _ROOT / "tests" / "node" / "client.mjs"
_NOT_FOUND, _DEADLINE_EXCEEDED = 5, 4


@pytest.mark.parametrize("with_tls", [False, True])
def test_node_client_gets_its_answers(frontend: str, tmp_path: Path, with_tls: bool) -> None:
    repository = tmp_path / "models"
    for name in ("int32", "uint8"):
        write_config(repository, f"identity_{name}", identity_config(name.upper()))
    write_config(repository, "slow", identity_config("INT32", extra=execute_delay(1000)))
    authority = Authority(tmp_path / "pem")
    arguments = tls_arguments("grpc", authority.issue("server")) if with_tls else []
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        result = _run(f"localhost:{server.grpc_port}", [str(authority.root)] if with_tls else [])
    assert result.pop("late")["code"] == _DEADLINE_EXCEEDED
    assert result.pop("streamed") == list(range(200))
    assert result == {
        "live": True,
        "ready": True,
        "name": "triton",
        "platform": "identity",
        "id": "seven",
        "number": -7,
        "large_is_same": True,
        "unknown": {
            "code": _NOT_FOUND,
            "details": "Request for unknown model: '模型' is not found",
        },
        "compressed": -7,
    }


def _run(address: str, more: list[str]) -> dict[str, Any]:
    node = shutil.which("node")
    assert node is not None, "node is missing; ./dev setup installs it"
    packages = _CLIENT.parent / "node_modules"
    assert packages.is_dir(), f"{packages} is missing; ./dev setup installs it (npm ci)"
    command = [node, str(_CLIENT), str(_ROOT / "protos"), address, *more]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout)
    return result
