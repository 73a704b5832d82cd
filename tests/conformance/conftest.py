"""Servers and clients that tests share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient

from tests.conformance.clients import Client, GrpcClient, HttpClient
from tests.conformance.model_files import write_standard_repository
from tests.conformance.running_server import RunningServer, ServerOptions

# Every case runs on each of them.
FRONTENDS = ("native", "python")


@pytest.fixture(scope="session", params=FRONTENDS)
def frontend(request: pytest.FixtureRequest) -> str:
    """What carries HTTP and gRPC."""
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=("http", "grpc"))
def protocol(request: pytest.FixtureRequest) -> str:
    """What requests come over."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def shared_servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], RunningServer]]:
    """Return the server of a front end, which starts once: every file wants one, then the other."""
    with ExitStack() as running:

        @functools.cache
        def start(frontend: str) -> RunningServer:
            repository: Path = tmp_path_factory.mktemp("models")
            write_standard_repository(repository)
            options = ServerOptions(frontend=frontend)
            return running.enter_context(RunningServer(repository, options))

        yield start


@pytest.fixture(scope="session")
def server(frontend: str, shared_servers: Callable[[str], RunningServer]) -> RunningServer:
    """A server with the models that most tests share."""
    return shared_servers(frontend)


@pytest.fixture
def http(server: RunningServer) -> Iterator[httpclient.InferenceServerClient]:
    """Triton's own HTTP client."""
    with httpclient.InferenceServerClient(server.http_address) as client:
        yield client


@pytest.fixture
def grpc(server: RunningServer) -> Iterator[grpcclient.InferenceServerClient]:
    """Triton's own gRPC client."""
    with grpcclient.InferenceServerClient(server.grpc_address) as client:
        yield client


@pytest.fixture(params=("http", "grpc"))
def client(request: pytest.FixtureRequest, server: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other, behind what they have in common."""
    with connect(request.param, server) as connected:
        yield connected


def connect(protocol: str, server: RunningServer) -> Client:
    """Return a client of one protocol."""
    if protocol == "http":
        return HttpClient(server.http_address)
    return GrpcClient(server.grpc_address)
