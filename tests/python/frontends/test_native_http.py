"""Goal: an application behind the bridge sees what it would see of an ASGI server.

Method: small applications, and the real one, behind a bridge whose events the test makes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.python.api.fakes import FakeCore, FakeRepository, log_settings, served
from tests.python.frontends.fake_bridge import End, FakeBridge, Head, Piece, event, settle
from tritonpy.api import V2Service
from tritonpy.core import ControlEvent, EventKind, JsonAnswer, Log, LogSettings
from tritonpy.frontends.http.app import HttpApp
from tritonpy.frontends.http.control import control_app
from tritonpy.frontends.native.bridge_server import BridgeServer
from tritonpy.frontends.native.http_call import HttpCall


class _WaitingInference:
    """Answers when the test says so, and knows whether it was cancelled."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[JsonAnswer] = asyncio.get_running_loop().create_future()
        self.bodies: list[bytes] = []
        self.cancelled = False

    async def infer_json(self, _model: str, _version: int, body: bytes, *_: object) -> JsonAnswer:
        self.bodies.append(body)
        try:
            return await self.answer
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.fixture
def bridge() -> Iterator[FakeBridge]:
    """A bridge that nobody serves yet."""
    with closing(FakeBridge()) as made:
        yield made


def _quiet_log() -> Log:
    log = Log()
    log.configure(LogSettings(error=False))
    return log


def _serve(bridge: FakeBridge, app: ASGIApp) -> BridgeServer:
    server = BridgeServer(bridge)
    server.open_with(EventKind.HTTP_REQUEST, partial(HttpCall, app, _quiet_log()))
    server.start()
    return server


def _request(
    target: bytes = b"/", call_id: int = 1, method: str = "GET", body: bytes = b"", chunks: int = 0
) -> ControlEvent:
    headers = [(b"transfer-encoding", b"chunked")] if chunks else []
    return event(
        EventKind.HTTP_REQUEST,
        call_id,
        method=method,
        target=target,
        headers=headers,
        body=body,
        chunks=chunks,
    )


def _v2_app(inference: _WaitingInference, repository: FakeRepository) -> HttpApp:
    service = V2Service(
        repository,
        FakeCore(),
        log_settings,
        server_name="",
        server_version="",
        strict_readiness=True,
    )
    log = _quiet_log()
    return HttpApp(service, inference, control_app(service, log, 1000, None), log, 1000)


async def test_application_sees_the_request_as_it_came(bridge: FakeBridge) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append({**scope, "body": await receive()})
        await send({"type": "http.response.start", "status": 204, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body"})

    server = _serve(bridge, app)
    request = event(
        EventKind.HTTP_REQUEST,
        7,
        method="POST",
        target=b"/a%20b/c?x=1",
        headers=[(b"host", b"h"), (b"host", b"i")],
        body=b"body",
        minor_version=0,
    )
    await bridge.happen(request)
    (scope,) = seen
    assert scope["method"] == "POST"
    assert scope["raw_path"] == b"/a%20b/c"
    assert scope["query_string"] == b"x=1"
    assert scope["headers"] == [(b"host", b"h"), (b"host", b"i")]
    assert scope["http_version"] == "1.0"
    assert scope["body"] == {"type": "http.request", "body": b"body", "more_body": False}
    assert bridge.answers == [Head(7, 204, {b"a": b"b"}), End(7, 0, b"")]
    server.close()


async def test_streamed_answer_goes_on_when_each_piece_was_taken(bridge: FakeBridge) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for body in (b"one", b"", b"two"):
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})

    server = _serve(bridge, app)
    await bridge.happen(_request())
    assert bridge.answers == [Head(1, 200, {}), Piece(1, b"one")]
    await bridge.happen(event(EventKind.TAKEN))
    assert bridge.answers[2:] == [Piece(1, b"two")]
    await bridge.happen(event(EventKind.TAKEN))
    assert bridge.answers[3:] == [End(1, 0, b"end")]
    server.close()


async def test_client_that_leaves_is_a_disconnect(bridge: FakeBridge) -> None:
    heard: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(await receive())
        heard.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        heard.append({"type": "sent"})

    server = _serve(bridge, app)
    await bridge.happen(_request())
    await bridge.happen(event(EventKind.TAKEN))
    assert [message["type"] for message in heard] == ["http.request"]
    await bridge.happen(event(EventKind.GONE))
    assert [message["type"] for message in heard] == ["http.request", "http.disconnect", "sent"]
    assert bridge.answers == [], "nobody is there to be answered"
    server.close()


async def test_client_that_is_gone_before_it_was_served_is_not_served(bridge: FakeBridge) -> None:
    called: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        called.append(scope)

    server = _serve(bridge, app)
    await bridge.happen(_request(), event(EventKind.GONE))
    assert called == []
    assert bridge.answers == []
    server.close()


async def test_client_that_leaves_cancels_its_inference(bridge: FakeBridge) -> None:
    inference = _WaitingInference()
    server = _serve(bridge, _v2_app(inference, FakeRepository(served())))
    await bridge.happen(_request(b"/v2/models/m/infer", method="POST", body=b"{}"))
    assert inference.bodies == [b"{}"]
    await bridge.happen(event(EventKind.GONE))
    assert inference.cancelled
    assert bridge.answers == []
    server.close()


async def test_client_that_leaves_does_not_stop_the_load_it_asked_for(bridge: FakeBridge) -> None:
    repository = FakeRepository(served())
    server = _serve(bridge, _v2_app(_WaitingInference(), repository))
    await bridge.happen(_request(b"/v2/repository/models/model/load", method="POST"))
    await bridge.happen(event(EventKind.GONE))
    assert repository.calls == [("load", "model", {})]
    assert not repository.job.cancelled()
    repository.job.set_result(None)
    await settle()
    server.close()


async def test_calls_are_answered_as_they_end_not_as_they_came(bridge: FakeBridge) -> None:
    inference = _WaitingInference()
    server = _serve(bridge, _v2_app(inference, FakeRepository(served())))
    await bridge.happen(
        _request(b"/v2/models/m/infer", 1, "POST", b"{}"), _request(b"/v2/health/live", 2)
    )
    assert [answer.call_id for answer in bridge.answers] == [2, 2]
    inference.answer.set_result(JsonAnswer(b"{}", None))
    await settle()
    assert bridge.answers[3:] == [End(1, 0, b"{}")]
    server.close()


@pytest.mark.parametrize(("chunks", "status"), [(65_537, 200), (65_538, 400)])
async def test_chunks_that_came_by_the_bridge_are_counted(
    bridge: FakeBridge, chunks: int, status: int
) -> None:
    server = _serve(bridge, _v2_app(_WaitingInference(), FakeRepository(served())))
    await bridge.happen(_request(b"/v2/repository/index", method="POST", chunks=chunks))
    await bridge.all_ended(1)
    head = bridge.answers[0]
    assert isinstance(head, Head)
    assert head.status == status
    server.close()


async def test_bug_of_an_application_is_an_internal_error(bridge: FakeBridge) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ValueError("oops")

    server = _serve(bridge, app)
    await bridge.happen(_request())
    head, end = bridge.answers
    assert isinstance(head, Head)
    assert isinstance(end, End)
    assert head.status == 500
    assert head.headers[b"content-length"] == b"%d" % len(end.data)
    assert json.loads(end.data) == {"error": "internal error"}
    server.close()


async def test_application_that_fails_half_way_ends_its_answer(bridge: FakeBridge) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        raise ValueError("oops")

    server = _serve(bridge, app)
    await bridge.happen(_request())
    await bridge.happen(event(EventKind.TAKEN))
    assert bridge.answers == [Head(1, 200, {}), Piece(1, b"a"), End(1, 0, b"")]
    server.close()


@pytest.mark.parametrize(("target", "status"), [(b"no path", 400), (b"//[", 404), (b"*", 404)])
async def test_target_that_is_no_path_of_ours_is_refused(
    bridge: FakeBridge, target: bytes, status: int
) -> None:
    server = _serve(bridge, _v2_app(_WaitingInference(), FakeRepository(served())))
    await bridge.happen(_request(target))
    await bridge.all_ended(1)
    head, end = bridge.answers
    assert isinstance(head, Head)
    assert isinstance(end, End)
    assert head.status == status
    assert list(json.loads(end.data)) == ["error"]
    server.close()


async def test_exit_cuts_off_what_runs_with_a_word(bridge: FakeBridge) -> None:
    repository = FakeRepository(served())
    server = _serve(bridge, _v2_app(_WaitingInference(), repository))
    await bridge.happen(
        _request(b"/v2/models/m/infer", 1, "POST", b"{}"),
        _request(b"/v2/repository/models/model/load", 2, "POST"),
    )
    repository.is_exiting = True
    await server.cut_off()
    await bridge.all_ended(2)
    heads = [answer for answer in bridge.answers if isinstance(answer, Head)]
    ends = [answer for answer in bridge.answers if isinstance(answer, End)]
    assert [(head.call_id, head.status) for head in sorted(heads, key=lambda one: one.call_id)] == [
        (1, 503),
        (2, 503),
    ]
    assert [json.loads(end.data) for end in ends] == [{"error": "Server exiting"}] * 2
    server.close()
