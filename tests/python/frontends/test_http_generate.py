"""Goal: the generate routes send what a model answers, one response or many, as it comes.

Method: the application called as an ASGI server would, and behind a bridge, over an inference whose
responses the test releases: none, one, many, errors in between, an end that brings nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from tests.python.api.fakes import FakeCore, FakeRepository, log_settings, served
from tests.python.frontends.fake_bridge import End, FakeBridge, Head, Piece, event, settle
from tests.python.frontends.fake_streaming import (
    EVENTS,
    Exchange,
    FakeStreaming,
    no_text,
    said,
    text_of,
)
from tritonpy.api import V2Service
from tritonpy.core import (
    EventKind,
    Log,
    LogSettings,
    StreamedResult,
)
from tritonpy.errors import (
    ErrorCode,
    InternalError,
    InvalidArgError,
    TritonError,
    UnavailableError,
    error_of,
)
from tritonpy.frontends.http.generate import GenerateApp
from tritonpy.frontends.http.request_connection import STATE_KEY
from tritonpy.frontends.http.status import STATUS_OF_CODE
from tritonpy.frontends.native.bridge_server import BridgeServer
from tritonpy.frontends.native.http_call import HttpCall

_ONE, _ALL = b"/v2/models/model/generate", b"/v2/models/model/generate_stream"
_NOT_ONE = (
    "generate expects model to produce exactly 1 response, use generate stream for model that "
    "generates various number of responses"
)
_BODY = b'{"IN":["a","b","c"]}'


def _app(
    inference: FakeStreaming,
    repository: FakeRepository | None = None,
    max_input_size: int = 1000,
    render_metrics: Callable[[], bytes] | None = None,
) -> GenerateApp:
    service = V2Service(
        repository or FakeRepository(served()),
        FakeCore(),
        log_settings,
        server_name="",
        server_version="",
        strict_readiness=True,
    )

    async def others(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body"})

    log = Log()
    log.configure(LogSettings(error=False))
    return GenerateApp(service, inference, others, log, max_input_size, render_metrics)


def _begin(
    inference: FakeStreaming,
    path: bytes,
    body: bytes = _BODY,
    state: dict[str, Any] | None = None,
    repository: FakeRepository | None = None,
) -> tuple[Exchange, asyncio.Task[None]]:
    exchange = Exchange(_app(inference, repository), path, body, state or {})
    return exchange, asyncio.ensure_future(exchange.run())


async def _answered(inference: FakeStreaming, path: bytes, body: bytes = _BODY) -> Exchange:
    exchange, running = _begin(inference, path, body)
    await running
    assert exchange.ended
    return exchange


async def test_request_reaches_the_model_that_the_path_names() -> None:
    inference = FakeStreaming(said("x"), None)
    await _answered(inference, b"/v2/models/model/versions/1/generate")
    (request,) = inference.asked
    assert (request.model, request.version) == ("model", 1)
    assert request.inputs["IN"].shape == (1, 3, 1)


async def test_other_paths_are_for_others() -> None:
    for path in (b"/v2/models/model/infer", b"/v2/models/generate", b"/v2/models/m/generate/x"):
        assert (await _answered(FakeStreaming(), path)).status == 299


async def test_generate_answers_with_the_one_response() -> None:
    inference = FakeStreaming(said("hello"), None)
    exchange = await _answered(inference, _ONE)
    assert (exchange.status, exchange.headers) == (200, {b"content-type": b"application/json"})
    assert [text_of(part) for part in exchange.parts] == ["hello"]
    assert not inference.streamed.cancelled


@pytest.mark.parametrize(
    ("responses", "status"),
    [
        ([None], 200),
        ([said("a"), said("b"), None], 200),
        ([said("a"), InternalError("late"), None], 200),
        ([UnavailableError("early"), said("b"), None], 503),
    ],
)
async def test_generate_of_none_or_many_is_an_error_with_the_status_of_the_first(
    responses: Sequence[StreamedResult | TritonError | None], status: int
) -> None:
    exchange = await _answered(FakeStreaming(*responses), _ONE)
    assert exchange.status == status
    assert exchange.headers[b"content-type"] == b"application/json"
    assert json.loads(b"".join(exchange.parts)) == {"error": _NOT_ONE}


async def test_generate_waits_for_no_more_than_two_responses() -> None:
    inference = FakeStreaming(said("a"), said("b"))
    await _answered(inference, _ONE)
    assert inference.streamed.cancelled


@pytest.mark.parametrize("path", [_ONE, _ALL])
async def test_load_is_told_to_whom_asks_for_it(path: bytes) -> None:
    family = 'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="%s"} 2\n'
    page = "".join(family % kind for kind in ("used", "max", "tokens_per")).encode()
    app = _app(FakeStreaming(said("a"), None), render_metrics=lambda: page)
    exchange = Exchange(app, path, _BODY, {}, [(b"endpoint-load-metrics-format", b"text")])
    await exchange.run()
    assert exchange.headers[b"endpoint-load-metrics"] == (
        b"TEXT named_metrics.kv_cache_utilization=1.0, named_metrics.max_token_capacity=4"
    )


@pytest.mark.parametrize("code", list(ErrorCode))
async def test_generate_of_one_error_has_the_status_of_its_code(code: ErrorCode) -> None:
    exchange = await _answered(FakeStreaming(error_of(code, "no"), None), _ONE)
    assert exchange.status == STATUS_OF_CODE[code]
    assert json.loads(b"".join(exchange.parts)) == {"error": "no"}


async def test_each_response_is_an_event_as_soon_as_it_is_here() -> None:
    inference = FakeStreaming()
    exchange, running = _begin(inference, _ALL)
    await settle()
    assert exchange.sent == [], "the first response decides the status"
    for number in range(3):
        inference.streamed.release(said(str(number)))
        await settle()
        assert exchange.said == [str(number) for number in range(number + 1)]
        assert not exchange.ended
    inference.streamed.release(None)
    await running
    assert exchange.status == 200
    assert exchange.said == ["0", "1", "2"]
    assert not inference.streamed.cancelled


async def test_events_that_came_together_leave_together() -> None:
    inference = FakeStreaming(*[said("x" * 1000)] * 200, None)
    exchange = await _answered(inference, _ALL)
    assert len(exchange.said) == 200
    assert 3 < len(exchange.parts) < 10, "a part is bounded too"


async def test_stream_of_no_responses_is_an_empty_success() -> None:
    exchange = await _answered(FakeStreaming(None), _ALL)
    assert (exchange.status, exchange.said) == (200, [])


async def test_error_in_the_middle_is_an_event_like_others() -> None:
    exchange = await _answered(
        FakeStreaming(said("a"), InternalError("no"), no_text(), said("b"), None), _ALL
    )
    assert exchange.status == 200
    assert exchange.said == [
        "a",
        "!no",
        "!sending BYTES data that is not UTF-8 via JSON is not supported. "
        "Please use the binary data format for output OUT",
        "b",
    ]


@pytest.mark.parametrize(
    ("first", "status"), [(InternalError("no"), 500), (UnavailableError("no"), 503)]
)
async def test_error_that_comes_first_gives_its_status_to_the_stream(
    first: TritonError, status: int
) -> None:
    exchange = await _answered(FakeStreaming(first, said("a"), None), _ALL)
    assert exchange.status == status
    assert exchange.said == ["!no", "a"]


@pytest.mark.parametrize("path", [_ONE, _ALL])
async def test_error_before_inference_is_plain_json(path: bytes) -> None:
    inference = FakeStreaming()
    inference.error = InvalidArgError("no")
    exchange = await _answered(inference, path)
    assert (exchange.status, exchange.parts) == (400, [b'{"error":"no"}'])
    assert exchange.headers[b"content-type"] == b"application/json"
    assert exchange.headers[b"content-length"] == b"14"


@pytest.mark.parametrize("path", [_ONE, _ALL])
async def test_bug_is_an_internal_error(path: bytes) -> None:
    inference = FakeStreaming()
    inference.error = ValueError("oops")
    exchange = await _answered(inference, path)
    assert exchange.status == 500
    assert json.loads(exchange.parts[0]) == {"error": "internal error: ValueError: oops"}


async def test_large_body_is_read_on_another_thread() -> None:
    body = b'{"IN":["' + b"x" * 500 + b'","",""]' + b" " * 70_000 + b"}"
    inference = FakeStreaming(said("a"), None)
    exchange = Exchange(_app(inference, max_input_size=100_000), _ONE, body, {})
    await exchange.run()
    assert exchange.status == 200


class _Connection:
    """Knows whom to cancel when the client leaves."""

    def __init__(self) -> None:
        self.running: asyncio.Task[None] | None = None

    def set_running(self, task: asyncio.Task[None] | None) -> None:
        self.running = task


@pytest.mark.parametrize("path", [_ONE, _ALL])
async def test_client_that_leaves_cancels_its_request(path: bytes) -> None:
    inference, connection = FakeStreaming(said("a")), _Connection()
    _, running = _begin(inference, path, state={STATE_KEY: connection})
    await settle()
    assert connection.running is running
    assert not inference.streamed.cancelled
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert inference.streamed.cancelled
    assert connection.running is None


async def test_exit_ends_a_stream_with_a_word() -> None:
    inference, repository = FakeStreaming(said("a")), FakeRepository(served())
    exchange, running = _begin(inference, _ALL, repository=repository)
    await settle()
    repository.is_exiting = True
    running.cancel()
    await running
    assert exchange.ended
    assert exchange.said == ["a", "!Server exiting"]
    assert inference.streamed.cancelled


async def test_exit_before_any_response_is_unavailable() -> None:
    inference, repository = FakeStreaming(), FakeRepository(served())
    exchange, running = _begin(inference, _ALL, repository=repository)
    await settle()
    repository.is_exiting = True
    running.cancel()
    await running
    assert exchange.status == 503
    assert json.loads(exchange.parts[0]) == {"error": "Server exiting"}


@pytest.fixture
def bridge() -> Iterator[FakeBridge]:
    """A bridge that nobody serves yet."""
    with closing(FakeBridge()) as made:
        yield made


def _serve(bridge: FakeBridge, inference: FakeStreaming) -> BridgeServer:
    server = BridgeServer(bridge)
    server.open_with(EventKind.HTTP_REQUEST, partial(HttpCall, _app(inference), Log()))
    server.start()
    return server


async def test_slow_reader_behind_the_bridge_leaves_responses_in_the_core(
    bridge: FakeBridge,
) -> None:
    inference = FakeStreaming()
    server = _serve(bridge, inference)
    await bridge.happen(event(EventKind.HTTP_REQUEST, method="POST", target=_ALL, body=_BODY))
    inference.streamed.release(said("0"))
    await settle()
    inference.streamed.release(said("1"), said("2"))
    await settle()
    head, piece = bridge.answers
    assert isinstance(head, Head)
    assert isinstance(piece, Piece)
    assert (head.status, head.headers) == (200, {b"content-type": EVENTS})
    assert inference.streamed.taken == 1, "nothing is taken while a piece is on its way"
    await bridge.happen(event(EventKind.TAKEN))
    assert len(bridge.answers) == 3
    inference.streamed.release(None)
    await bridge.happen(event(EventKind.TAKEN))
    assert bridge.answers[3:] == [End(1, 0, b"")]
    server.close()


@pytest.mark.parametrize("path", [_ONE, _ALL])
async def test_client_that_leaves_the_bridge_cancels_its_request(
    bridge: FakeBridge, path: bytes
) -> None:
    inference = FakeStreaming(said("a"))
    server = _serve(bridge, inference)
    await bridge.happen(event(EventKind.HTTP_REQUEST, method="POST", target=path, body=_BODY))
    assert not inference.streamed.cancelled
    await bridge.happen(event(EventKind.GONE))
    assert inference.streamed.cancelled
    server.close()
