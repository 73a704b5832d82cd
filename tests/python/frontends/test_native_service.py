"""Goal: the services of the native front end start, tell health and stop as one.

Method: a front end without sockets behind them that records what it is told.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.python.api.fakes import FakeCore, FakeRepository, log_settings, served
from tests.python.frontends.fake_bridge import End, FakeBridge, Head, event, settle
from tests.python.repository.fake_core import RecordingLog
from tritonpy.api import V2Service
from tritonpy.core import EventKind
from tritonpy.errors import InvalidArgError, UnavailableError
from tritonpy.frontends.native import IoService, NativeGrpcFrontend, NativeHttpFrontend
from tritonpy.frontends.native.control_plane import NativeControlPlane
from tritonpy.options import ConnectionOptions, GrpcOptions, HttpOptions


class _FakeFrontend(FakeBridge):
    """A native front end that only records; `problem` is what listening raises."""

    def __init__(self) -> None:
        super().__init__()
        self.journal: list[str] = []
        self.health: list[tuple[bool, bool]] = []
        self.problem: InvalidArgError | None = None
        self.all_finish = True

    def listen_http(self, _options: HttpOptions, descriptor: int) -> None:
        self._listen("HTTP", descriptor)

    def listen_grpc(self, _options: GrpcOptions, descriptor: int) -> None:
        self._listen("GRPC", descriptor)

    def _listen(self, name: str, descriptor: int) -> None:
        os.close(descriptor)
        if self.problem is not None:
            raise self.problem
        self.journal.append(f"listen {name}")

    def set_health(self, *, ready: bool, exiting: bool) -> None:
        self.health.append((ready, exiting))

    def set_models_have_checks(self, have_checks: bool) -> None:
        assert not have_checks  # nobody runs models with code of their own

    def finish(self, grace_s: float) -> bool:
        self.journal.append(f"finish {grace_s:g}")
        return self.all_finish

    def stop(self, *, wait_for_core: bool) -> None:
        self.journal.append(f"stop, wait {wait_for_core}")


class _FakeInference:
    """Nobody infers here."""

    def close(self) -> None:
        """Have nothing to wait for."""


class _FakeServingCore(FakeCore):
    """Makes one front end."""

    def __init__(self, frontend: _FakeFrontend) -> None:
        super().__init__()
        self.frontend = frontend
        self.made = 0

    def native_frontend(self, _options: ConnectionOptions) -> _FakeFrontend:
        self.made += 1
        return self.frontend

    def inference(self) -> _FakeInference:
        return _FakeInference()


def _untyped(double: object) -> Any:
    return double


class _Scene:
    """Both services and the control plane over one front end."""

    def __init__(self, frontend: _FakeFrontend) -> None:
        self.frontend = frontend
        self.core = _untyped(_FakeServingCore(frontend))
        self.repository = FakeRepository(served())
        self.recorded = RecordingLog()
        log = _untyped(self.recorded)
        service = V2Service(
            self.repository,
            self.core,
            log_settings,
            server_name="",
            server_version="",
            strict_readiness=True,
        )
        self.io = IoService(ConnectionOptions(), self.core, service)
        address = "127.0.0.1"
        grpc, http = GrpcOptions(address=address, port=0), HttpOptions(address=address, port=0)
        self.grpc = NativeGrpcFrontend(grpc, self.io, log)
        self.http = NativeHttpFrontend(http, self.io, log)
        self.control = NativeControlPlane(self.io, self.core, service, log, 2**20, None)

    async def start(self) -> None:
        """Start all, as the server does."""
        await self.grpc.start()
        await self.http.start()
        await self.control.start()

    async def stop(self, grace_s: float) -> None:
        """Stop all, as the server does."""
        services = (self.control, self.http, self.grpc)
        await asyncio.gather(*(each.stop(grace_s) for each in services))


@pytest.fixture
def frontend() -> Iterator[_FakeFrontend]:
    """The front end."""
    with closing(_FakeFrontend()) as made:
        yield made


async def test_services_share_one_front_end_and_say_where_they_listen(
    frontend: _FakeFrontend,
) -> None:
    scene = _Scene(frontend)
    await scene.start()
    assert scene.core.made == 1
    assert frontend.journal == ["listen GRPC", "listen HTTP"]
    started = [line.rpartition(":")[0] for line in scene.recorded.infos]
    assert started == [
        "Started GRPCInferenceService at 127.0.0.1",
        "Started HTTPService at 127.0.0.1",
    ]
    await scene.stop(1)
    assert frontend.journal[2:] == ["finish 1", "stop, wait True"]


async def test_call_that_comes_before_the_control_plane_waits_for_it(
    frontend: _FakeFrontend,
) -> None:
    scene = _Scene(frontend)
    await scene.grpc.start()
    await scene.http.start()
    metadata = event(EventKind.HTTP_REQUEST, method="GET", target=b"/v2")
    asking = asyncio.ensure_future(frontend.happen(metadata))
    await settle()
    assert not asking.done()  # nobody has taken it
    await scene.control.start()
    await asking
    await frontend.all_ended(1)
    assert [one.status for one in frontend.answers if isinstance(one, Head)] == [200]
    await scene.stop(1)


async def test_health_is_told_before_anybody_can_ask(frontend: _FakeFrontend) -> None:
    scene = _Scene(frontend)
    await scene.grpc.start()
    assert frontend.health == [(True, False)]
    await scene.stop(1)


async def test_change_on_the_loop_is_told_at_once(frontend: _FakeFrontend) -> None:
    scene = _Scene(frontend)
    await scene.start()
    scene.repository.is_exiting = True
    for listener in scene.repository.listeners:
        listener()
    assert frontend.health[-1] == (False, True)
    await scene.stop(1)


async def test_change_on_another_thread_is_told_before_what_that_thread_says_next(
    frontend: _FakeFrontend,
) -> None:
    scene = _Scene(frontend)
    await scene.start()
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[tuple[bool, bool]] = loop.create_future()

    def change() -> None:
        scene.repository.ready = False
        for listener in scene.repository.listeners:
            listener()
        loop.call_soon_threadsafe(lambda: answered.set_result(frontend.health[-1]))

    thread = threading.Thread(target=change)
    thread.start()
    assert await answered == (False, False)
    thread.join()
    await scene.stop(1)


async def test_stop_without_grace_cuts_off_what_runs_and_leaves_the_core(
    frontend: _FakeFrontend,
) -> None:
    frontend.all_finish = False
    scene = _Scene(frontend)
    await scene.start()
    load = b"/v2/repository/models/model/load"
    await frontend.happen(event(EventKind.HTTP_REQUEST, method="POST", target=load))
    scene.repository.is_exiting = True
    await scene.stop(0)
    assert [one.status for one in frontend.answers if isinstance(one, Head)] == [503]
    assert len([one for one in frontend.answers if isinstance(one, End)]) == 1
    assert frontend.journal[2:] == ["finish 0", "stop, wait False"]
    await settle()


async def test_files_that_are_no_certificates_end_the_start_and_what_had_begun(
    frontend: _FakeFrontend,
) -> None:
    frontend.problem = InvalidArgError("failed to set up TLS with 'a'")
    scene = _Scene(frontend)
    with pytest.raises(InvalidArgError):
        await scene.grpc.start()
    assert frontend.journal == ["finish 0", "stop, wait False"]
    assert scene.recorded.infos == []


async def test_address_that_is_nobodys_begins_nothing(frontend: _FakeFrontend) -> None:
    scene = _Scene(frontend)
    scene.http._options = HttpOptions(address="192.0.2.1", port=0)
    with pytest.raises(UnavailableError):
        await scene.http.start()
    assert scene.core.made == 0
    await scene.stop(1)
    assert frontend.journal == []
