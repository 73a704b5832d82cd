"""Goal: a server that cannot listen where it should says so in one line and ends.

Method: a socket of the test holds the port of one service after the other; addresses that are
nobody's, and certificates that are none.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.certificates import Authority, CertificateFiles, tls_arguments
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
        errors = _failed_start(frontend, tmp_path, f"--{option}-port={port}")
    assert errors[-1] == (
        f"failed to start {service} service: Unavailable - Socket '127.0.0.1:{port}' already in use"
    )


@pytest.mark.parametrize(("option", "service"), [("http", "HTTP"), ("grpc", "GRPC")])
@pytest.mark.parametrize("more", [(), ("reuse",)])
def test_address_of_another_machine_ends_the_start(
    frontend: str, tmp_path: Path, option: str, service: str, more: tuple[str, ...]
) -> None:
    write_config(tmp_path, "model", identity_config("FP32"))
    flags = [f"--reuse-{option}-port=1" for _ in more]
    errors = _failed_start(frontend, tmp_path, f"--{option}-address=192.0.2.1", *flags)
    assert errors[-1] == (
        f"failed to start {service} service: Unavailable - "
        "Socket '192.0.2.1:0': Cannot assign requested address"
    )
    assert not _lines_of_grpc(errors)


@pytest.mark.parametrize(("option", "service"), [("http", "HTTP"), ("grpc", "GRPC")])
def test_certificate_that_is_none_ends_the_start(
    frontend: str, tmp_path: Path, option: str, service: str
) -> None:
    repository = tmp_path / "models"
    write_config(repository, "model", identity_config("FP32"))
    none = tmp_path / "none"
    none.write_text("no certificate")
    missing = tmp_path / "missing"
    valid = Authority(tmp_path / "pem").issue("server")
    another = Authority(tmp_path / "other").issue("server")
    for certificate, key, text in (
        (none, none, f"failed to set up TLS with '{none}'"),
        (valid.certificate, another.key, "failed to set up TLS with '"),
        (missing, valid.key, f"failed to read '{missing}': No such file or directory"),
    ):
        arguments = tls_arguments(option, CertificateFiles(certificate, key))
        errors = _failed_start(frontend, repository, *arguments)
        line = f"failed to start {service} service: Invalid argument - {text}"
        assert errors[-1].startswith(line)
        assert not _lines_of_grpc(errors)


def _failed_start(frontend: str, repository: Path, *options: str) -> list[str]:
    """Return what a server that cannot start writes to stderr; later options win."""
    command = [sys.executable, "-m", "tritonpy", "serve", "--repo", str(repository)]
    command += ["--frontend", frontend, "--http-address=127.0.0.1", "--grpc-address=127.0.0.1"]
    command += ["--http-port=0", "--grpc-port=0", "--metrics-port=0", *options]
    ended = subprocess.run(
        command, capture_output=True, text=True, env=server_environment(), check=False
    )
    assert ended.returncode == 1
    return ended.stderr.splitlines()


def _lines_of_grpc(lines: list[str]) -> list[str]:
    """Return what the C core of gRPC wrote there itself."""
    return [line for line in lines if ".cc:" in line]
