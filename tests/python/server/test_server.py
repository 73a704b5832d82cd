"""Goal: a server starts and stops in order, and says so. Method: parts that record what happens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.python.repository.fake_core import FakeCore, RecordingLog
from tests.python.repository.model_tree import write_model
from tritonpy.core import InFlight
from tritonpy.errors import InternalError, InvalidArgError, UnavailableError
from tritonpy.options import ControlMode, RepositoryOptions, ServerOptions
from tritonpy.repository import Clock, ModelRepository
from tritonpy.server import Outcome, Server, StartError

_LONG_S = 60.0
_EXPIRED = "Exit timeout expired. Exiting immediately."
# A server whose one model never ends to load, and that is told to stop meanwhile.
_HANGING_SERVER = """
import os, signal, sys, threading
from pathlib import Path
from tests.python.server.test_server import ServingFake
from tritonpy import server
from tritonpy.options import RepositoryOptions, ServerOptions

def hang(_):
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()

server.Core = lambda *_: ServingFake(on_build=hang)
server._frontends = lambda *_: ()
repository = RepositoryOptions(paths=(Path(sys.argv[1]),))
sys.exit(server.serve(ServerOptions(repository=repository, exit_timeout_s=0)))
"""


@dataclass
class Journal:
    """What happened, in order."""

    events: list[str] = field(default_factory=list)


@dataclass
class ServingFake(FakeCore):
    """A fake core with requests in flight: one ends with every call of drain that waits."""

    journal: Journal = field(default_factory=Journal)
    requests: int = 0

    def drain(self, timeout_s: float, *, end_sequences: bool) -> bool:
        """Let one request end if there is time."""
        self.journal.events.append(f"drain {timeout_s:g}{' and end' * end_sequences}")
        if timeout_s > 0:
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
    has_tls: bool = False
    tls_problem: InvalidArgError | None = None

    def reload_certificates(self) -> bool:
        """Say whether there is TLS, or fail."""
        if self.tls_problem is not None:
            raise self.tls_problem
        return self.has_tls

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
    control_mode: ControlMode = ControlMode.NONE

    @property
    def events(self) -> list[str]:
        """What happened so far."""
        return self.core.journal.events

    def server(self) -> Server:
        """Put the parts together."""
        options = ServerOptions(
            repository=RepositoryOptions(paths=(self.root,), control_mode=self.control_mode),
            exit_timeout_s=self.exit_timeout_s,
            exit_on_error=self.exit_on_error,
        )
        self.repository = ModelRepository(self.core, self.log, options.repository)
        still = Clock(monotonic_ns=lambda: 0)  # only what drain counts takes time
        return Server(options, self.log, self.core, self.repository, self.frontends, still)


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
    assert scene.events == [
        "start GRPC",
        "start HTTP",
        "drain 0",
        "drain 1",
        "stop HTTP 5",
        "stop GRPC 5",
    ]
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
    assert scene.events[2:] == ["drain 0", "drain 1", "drain 1", "stop HTTP 2", "stop GRPC 2"]


async def test_requests_that_do_not_end_are_abandoned(scene: Scene) -> None:
    scene.exit_timeout_s = 2
    scene.core.requests = 99
    assert await _run_until_started(scene) is Outcome.ABANDONED
    assert scene.events[2:] == [
        "drain 0",
        "drain 1",
        "drain 1",
        "drain 0 and end",
        "stop HTTP 0",
        "stop GRPC 0",
    ]
    assert scene.log.errors == [_EXPIRED]
    assert list(scene.core.serving["m"]) == [1], "what requests still use is not unloaded"


async def test_nothing_is_ready_while_requests_end(scene: Scene) -> None:
    ready: list[bool] = []
    drain = scene.core.drain

    def look(timeout_s: float, *, end_sequences: bool) -> bool:
        ready.append(scene.repository.is_ready(strict=False))
        return drain(timeout_s, end_sequences=end_sequences)

    scene.core.drain = look  # type: ignore[method-assign]
    await _run_until_started(scene)
    assert set(ready) == {False}


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


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a load or unload may wait for; open in the end, so that no thread is left behind."""
    made = threading.Event()
    yield made
    made.set()


async def test_a_load_that_does_not_end_is_abandoned(scene: Scene, gate: threading.Event) -> None:
    scene.exit_timeout_s = 0
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: object) -> None:
        loop.call_soon_threadsafe(stop.set)
        gate.wait(_LONG_S)

    scene.core.on_build = hold
    outcome = await asyncio.wait_for(scene.server().run(stop), _LONG_S)
    assert outcome is Outcome.ABANDONED
    assert scene.log.errors == [_EXPIRED]
    assert scene.events == ["drain 0", "drain 0 and end"]


async def test_a_load_that_was_asked_for_ends_before_front_ends_stop(
    scene: Scene, gate: threading.Event
) -> None:
    scene.control_mode = ControlMode.EXPLICIT
    building = threading.Event()

    def hold(_: object) -> None:
        building.set()
        gate.wait(_LONG_S)
        scene.events.append("built")

    drain = scene.core.drain

    def drain_and_release(timeout_s: float, *, end_sequences: bool) -> bool:
        gate.set()
        return drain(timeout_s, end_sequences=end_sequences)

    scene.core.on_build = hold
    scene.core.drain = drain_and_release  # type: ignore[method-assign]
    stop = asyncio.Event()
    server = scene.server()
    start = scene.frontends[-1].start

    async def start_and_load() -> None:
        await start()
        load = scene.repository.submit_load("m")
        assert await asyncio.to_thread(building.wait, _LONG_S)
        scene.frontends[-1].stop = partial(stop_after, load)  # type: ignore[method-assign]
        stop.set()

    async def stop_after(load: Future[None], _grace_s: float) -> None:
        scene.events.append(f"stop HTTP, loaded: {load.done()}")

    scene.frontends[-1].start = start_and_load  # type: ignore[method-assign]
    assert await asyncio.wait_for(server.run(stop), _LONG_S) is Outcome.STOPPED
    assert sorted(scene.events[2:5]) == ["built", "drain 0", "drain 1"]
    assert scene.events[5:] == ["stop HTTP, loaded: True", "stop GRPC 5"]
    assert scene.core.serving == {"m": {}}


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an exit timeout of 0 leave no time at all."""
    monkeypatch.setattr("tritonpy.server._UNLOAD_GRACE_S", 0)


def _hold_unloads(scene: Scene, gate: threading.Event) -> None:
    def hold(_name: str, _added: Sequence[int], retired: Sequence[int]) -> None:
        if retired:
            gate.wait(_LONG_S)

    scene.core.on_publish = hold


@pytest.mark.usefixtures("no_grace")
async def test_an_unload_that_does_not_end_is_abandoned(
    scene: Scene, gate: threading.Event
) -> None:
    scene.exit_timeout_s = 0
    _hold_unloads(scene, gate)
    assert await _run_until_started(scene) is Outcome.ABANDONED
    assert scene.log.errors == [_EXPIRED]


@pytest.mark.usefixtures("no_grace")
async def test_a_start_that_fails_does_not_wait_for_unloads_for_ever(
    scene: Scene, gate: threading.Event
) -> None:
    scene.exit_timeout_s = 0
    scene.frontends[1].problem = UnavailableError("Socket '0.0.0.0:8000' already in use")
    _hold_unloads(scene, gate)
    with pytest.raises(StartError) as failure:
        await asyncio.wait_for(scene.server().run(asyncio.Event()), _LONG_S)
    assert failure.value.outcome is Outcome.ABANDONED


async def test_an_exit_timeout_of_0_is_no_failure_of_an_idle_server(scene: Scene) -> None:
    scene.exit_timeout_s = 0
    assert await _run_until_started(scene) is Outcome.STOPPED
    assert scene.core.serving == {"m": {}}


def test_the_process_does_not_wait_for_loads_that_were_abandoned(tmp_path: Path) -> None:
    write_model(tmp_path, "m")
    ended = subprocess.run(
        [sys.executable, "-c", _HANGING_SERVER, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=_LONG_S,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert _EXPIRED in ended.stdout + ended.stderr
