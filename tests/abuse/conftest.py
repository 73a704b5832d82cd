"""One server that hostile clients share, and proof after each of them that it is unharmed."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from tests.abuse.footprint import Footprint, assert_serves
from tests.conformance.model_files import execute_delay, identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

# What a test may add to the memory of the server for good: pools that filled up, and malloc's own.
_MAX_GROWTH = 96 << 20
# Descriptors that a test needs for itself: 10,000 connections, and some.
_DESCRIPTORS = 12_000


@pytest.fixture(scope="session", autouse=True)
def many_descriptors() -> Iterator[None]:
    """Let this process, and servers that it starts, open as many descriptors as tests need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= _DESCRIPTORS, (
        f"the machine allows only {hard} descriptors; raise it (ulimit -Hn) to {_DESCRIPTORS}"
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="session")
def shared_server(
    many_descriptors: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server that gives a request one second to arrive."""
    repository = tmp_path_factory.mktemp("models")
    for name in ("int32", "uint8", "bytes"):
        write_config(repository, f"identity_{name}", identity_config(name.upper()))
    slow = identity_config("INT32", extra=execute_delay(300))
    write_config(repository, "slow", slow)
    arguments = ("--request-timeout-secs=1", "--io-threads=2")
    with RunningServer(repository, ServerOptions(arguments, frontend="native")) as server:
        assert_serves(server)
        yield server


@pytest.fixture
def server(shared_server: RunningServer) -> Iterator[RunningServer]:
    """The server, which must serve and hold no more than before when a test is over."""
    before = Footprint(shared_server)
    yield shared_server
    assert_serves(shared_server)
    before.assert_descriptors_are_back()
    before.assert_memory_grew_by_less_than(_MAX_GROWTH)
