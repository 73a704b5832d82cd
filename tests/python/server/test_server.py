"""Goal: a server starts and stops in order, and says so. Method: parts that record what happens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.python.repository.fake_core import FakeCore, RecordingLog
from tests.python.repository.model_tree import write_model
from tritonpy.core import InFlight
from tritonpy.errors import InternalError, UnavailableError
from tritonpy.options import RepositoryOptions, ServerOptions
from tritonpy.repository import ModelRepository
from tritonpy.server import Outcome, Server, StartError

_LONG_S = 60.0


@dataclass
class Journal:
    """What happened, in order."""

    events: list[str] = field(default_factory=list)


@dataclass
class ServingFake(FakeCore):
    """A fake core with requests in flight: one ends with every call of drain."""

    journal: Journal = field(default_factory=Journal)
    requests: int = 0

    def drain(self, timeout_s: float) -> bool:
        """Let one request end."""
        self.journal.events.append(f"drain {timeout_s:g}")
        self.requests = max(self.requests - 1, 0)
        return self.requests == 0

    def in_flight(self) -> Sequence[InFlight]:
        """Return what is left."""
        return [InFlight("m", 1, self.requests), InFlight("idle", 1, 0)]


@dataclass
class FakeFrontend:
    """A front end that records; `problem` is what starting raises."""

    name: str
    journal: Journal
    problem: UnavailableError | None = None

    async def start(self) -> None:
        """Record, or fail."""
        if self.problem is not None:
            raise self.problem
        self.journal.events.append(f"start {self.name}")

    async def stop(self, grace_s: float) -> None:
        """Record the grace that was given."""
        self.journal.events.append(f"stop {self.name} {grace_s:g}")


@dataclass
class Scene:
    """One server over one repository with one model."""

    root: Path
    core: ServingFake = field(default_factory=ServingFake)
    log: RecordingLog = field(default_factory=RecordingLog)
    frontends: list[FakeFrontend] = field(default_factory=list)
    exit_timeout_s: int = 30
    exit_on_error: bool = True

    @property
    def events(self) -> list[str]:
        """What happened so far."""
        return self.core.journal.events

    def server(self) -> Server:
        """Put the parts together."""
        options = ServerOptions(
            repository=RepositoryOptions(paths=(self.root,)),
            exit_timeout_s=self.exit_timeout_s,
            exit_on_error=self.exit_on_error,
        )
        self.repository = ModelRepository(self.core, self.log, options.repository)
        return Server(options, self.log, self.core, self.repository, self.frontends)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A server with a model and two front ends."""
    write_model(tmp_path, "m")
    made = Scene(tmp_path)
    made.frontends = [FakeFrontend(name, made.core.journal) for name in ("GRPC", "HTTP")]
    return made


def _stopped() -> asyncio.Event:
    stop = asyncio.Event()
    stop.set()
    return stop


async def _run_until_started(scene: Scene) -> Outcome:
    """Run until every front end has started, then stop."""
    stop = asyncio.Event()
    last = scene.frontends[-1]
    start = last.start

    async def start_and_stop() -> None:
        await start()
        stop.set()

    last.start = start_and_stop  # type: ignore[method-assign]
    return await asyncio.wait_for(scene.server().run(stop), _LONG_S)


async def test_models_then_front_ends_start_and_the_table_is_logged(scene: Scene) -> None:
    assert await _run_until_started(scene) is Outcome.STOPPED
    assert scene.events == ["start GRPC", "start HTTP", "drain 1", "stop HTTP 5", "stop GRPC 5"]
    assert "| Model | Version | Status |" in scene.log.infos
    assert "| m     | 1       | READY  |" in scene.log.infos
    assert scene.core.serving == {"m": {}}, "everything is unloaded in the end"


async def test_a_stopping_server_counts_down_and_names_what_is_in_flight(scene: Scene) -> None:
    scene.core.requests = 3
    assert await _run_until_started(scene) is Outcome.STOPPED
    lines = scene.log.infos
    assert lines[lines.index("Waiting for in-flight requests to complete.") :][:7] == [
        "Waiting for in-flight requests to complete.",
        "Timeout 30: Found 1 model versions that have in-flight inferences",
        "Model 'm' (version 1) has 3 in-flight inferences",
        "Timeout 29: Found 1 model versions that have in-flight inferences",
        "Model 'm' (version 1) has 2 in-flight inferences",
        "Timeout 28: Found 1 model versions that have in-flight inferences",
        "Model 'm' (version 1) has 1 in-flight inferences",
    ]


async def test_front_ends_share_the_countdown(scene: Scene) -> None:
    scene.exit_timeout_s = 3
    scene.core.requests = 2
    assert await _run_until_started(scene) is Outcome.STOPPED
    assert scene.events[2:] == ["drain 1", "drain 1", "stop HTTP 2", "stop GRPC 2"]


async def test_requests_that_do_not_end_are_abandoned(scene: Scene) -> None:
    scene.exit_timeout_s = 2
    scene.core.requests = 99
    assert await _run_until_started(scene) is Outcome.ABANDONED
    assert scene.events[2:] == ["drain 1", "drain 1", "drain 0", "stop HTTP 0", "stop GRPC 0"]
    assert scene.log.errors == ["Exit timeout expired. Exiting immediately."]
    assert list(scene.core.serving["m"]) == [1], "what requests still use is not unloaded"


async def test_nothing_is_ready_while_requests_end(scene: Scene) -> None:
    ready: list[bool] = []
    drain = scene.core.drain

    def look(timeout_s: float) -> bool:
        ready.append(scene.repository.is_ready(strict=False))
        return drain(timeout_s)

    scene.core.drain = look  # type: ignore[method-assign]
    await _run_until_started(scene)
    assert ready == [False]


async def test_a_failed_model_ends_the_start(scene: Scene) -> None:
    scene.core.failures["m", 1] = [InternalError("no")]
    with pytest.raises(StartError) as failure:
        await scene.server().run(asyncio.Event())
    assert str(failure.value) == "error: creating server: Internal - failed to load all models"
    assert scene.events == []
    assert any("UNAVAILABLE: Internal: no" in line for line in scene.log.infos)


async def test_a_failed_model_may_be_forgiven(scene: Scene) -> None:
    scene.core.failures["m", 1] = [InternalError("no")]
    scene.exit_on_error = False
    assert await _run_until_started(scene) is Outcome.STOPPED
    assert "failed to load all models" in scene.log.errors


async def test_a_port_that_is_taken_ends_the_start_and_stops_what_runs(scene: Scene) -> None:
    scene.frontends[1].problem = UnavailableError("Socket '0.0.0.0:8000' already in use")
    with pytest.raises(StartError) as failure:
        await scene.server().run(asyncio.Event())
    assert str(failure.value) == (
        "failed to start HTTP service: Unavailable - Socket '0.0.0.0:8000' already in use"
    )
    assert scene.events == ["start GRPC", "stop GRPC 5"]
    assert scene.core.serving == {"m": {}}


async def test_a_server_told_to_stop_while_loading_drops_what_waits(scene: Scene) -> None:
    for name in "abcdefgh":
        write_model(scene.root, name)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    exiting = threading.Event()
    building = threading.Event()

    def hold(_: object) -> None:
        if not building.is_set():
            building.set()
            loop.call_soon_threadsafe(stop.set)
        exiting.wait(_LONG_S)

    scene.core.on_build = hold
    server = scene.server()
    begin_exit = scene.repository.begin_exit

    def release() -> None:
        begin_exit()
        exiting.set()

    scene.repository.begin_exit = release  # type: ignore[method-assign]
    assert await asyncio.wait_for(server.run(stop), _LONG_S) is Outcome.STOPPED
    assert len(scene.core.builds) <= 4, "no more than what the loader threads had begun"
    assert [event for event in scene.events if "start" in event] == []


async def test_a_server_told_to_stop_at_once_stops_cleanly(scene: Scene) -> None:
    assert await scene.server().run(_stopped()) is Outcome.STOPPED
    assert [event for event in scene.events if "start" in event] == []
