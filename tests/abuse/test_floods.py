"""Goal: nobody gets more out of the server than they put in by sending much of what costs little.

Method: each flood that HTTP/1.1 and HTTP/2 are known for, as fast as a socket takes it. The
connection must end, or the flood pass without any harm; memory and descriptors are compared by the
fixture.
"""

from __future__ import annotations

import contextlib

import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.abuse.footprint import Footprint
from tests.abuse.grpc_bytes import BEGINNING, call_bytes, frames_of, header_block
from tests.abuse.sockets import connect, flood, flood_and_drain
from tests.conformance.http2_connection import (
    Http2Connection,
    call_headers,
    frame_bytes,
    grpc_message,
)
from tests.conformance.http_connection import ConnectionEnded, HttpConnection, request_bytes
from tests.conformance.infer_messages import infer_message
from tests.conformance.running_server import RunningServer

_REFUSED_STREAM, _ENHANCE_YOUR_CALM, _FLOW_CONTROL_ERROR = 7, 11, 3
_INFER = b"POST /v2/models/identity_int32/infer HTTP/1.1\r\nHost: a\r\n"
_CHUNKED = _INFER + b"Transfer-Encoding: chunked\r\n\r\n"
_MAX_CONCURRENT_STREAMS = 1024
_SMALL = 16 << 20

_HTTP_FLOODS = {
    "headers": (_INFER, b"X: y\r\n"),
    "empty_headers": (_INFER, b"X:\r\n"),
    "one_header": (_INFER + b"X: ", b"y" * 100),
    "request_line": (b"GET /", b"v" * 100),
    "trailers": (_CHUNKED + b"0\r\n", b"X: y\r\n"),
    "one_trailer": (_CHUNKED + b"0\r\nX: ", b"y" * 100),
    "chunk_extension": (_CHUNKED + b"1;x=", b"y" * 100),
    "chunk_size": (_CHUNKED, b"0" * 100),
    "empty_lines": (b"", b"\r\n" * 50),
}


@pytest.mark.parametrize("part", _HTTP_FLOODS)
def test_endless_part_of_an_http_request_is_refused(server: RunningServer, part: str) -> None:
    beginning, more = _HTTP_FLOODS[part]
    connection = connect(server.http_port)
    connection.sendall(beginning)
    received = flood_and_drain(connection, more * 100, 1000)
    connection.close()
    assert received.count(b"HTTP/1.1 ") <= 1
    assert not received or received.startswith(b"HTTP/1.1 4")


def test_more_headers_than_a_request_may_have_are_refused(server: RunningServer) -> None:
    for count, status in ((250, 200), (300, 431), (5000, 431)):
        headers = {f"X-{number}": "y" for number in range(count)}
        with HttpConnection(server.http_port) as connection:
            connection.send(request_bytes("GET", "/v2/health/live", b"", headers))
            answer = connection.answer()
            assert answer.status in (status, 400 if status != 200 else 200)
            if status != 200:
                assert connection.rest() == b""


def test_pipelined_flood_is_answered_as_fast_as_it_is_read(server: RunningServer) -> None:
    before = Footprint(server)
    connection = connect(server.http_port, receive_buffer=4096)
    pair = request_bytes("GET", "/v2/models/identity_int32") + request_bytes(
        "GET", "/v2/health/live"
    )
    last = request_bytes("GET", "/v2", headers={"Connection": "close"})
    received = flood_and_drain(connection, pair * 3000 + last, 1, half_closes=False)
    connection.close()
    assert received.count(b"HTTP/1.1 200 OK") == 6001
    before.assert_memory_grew_by_less_than(_SMALL)


def _assert_ended(port: int, beginning: bytes, more: bytes, times: int) -> bytes:
    """Flood a connection; the server must end it before everything was sent."""
    connection = connect(port)
    connection.sendall(beginning)
    received = flood_and_drain(connection, more, times)
    connection.close()
    return received


def _goaways(received: bytes) -> list[GoAwayFrame]:
    return [frame for frame in frames_of(received) if isinstance(frame, GoAwayFrame)]


def _reset_calls(count: int, *, with_message: bool) -> bytes:
    encoder, sent = Encoder(), b""
    for number in range(count):
        stream_id = 2 * number + 1
        block = encoder.encode(call_headers("ModelInfer"))
        sent += HeadersFrame(stream_id, block, flags=["END_HEADERS"]).serialize()
        if with_message:
            message = grpc_message(infer_message(1, "slow"))
            sent += DataFrame(stream_id, message, flags=["END_STREAM"]).serialize()
        sent += RstStreamFrame(stream_id, 8).serialize()
    return sent


@pytest.mark.parametrize("with_message", [False, True])
def test_rapid_reset_ends_its_connection(server: RunningServer, with_message: bool) -> None:
    sent = _reset_calls(5000, with_message=with_message)
    (*_, goaway) = _goaways(_assert_ended(server.grpc_port, BEGINNING, sent, 1))
    assert goaway.error_code == _ENHANCE_YOUR_CALM
    assert goaway.last_stream_id < 2 * 3000


def test_clients_that_cancel_now_and_then_are_not_mistaken_for_a_flood(
    server: RunningServer,
) -> None:
    with Http2Connection(server.grpc_port) as connection:
        for number in range(900):
            call = connection.start("ModelInfer")
            connection.reset(call)
            if number % 9 == 0:
                answered = connection.unary("ModelInfer", infer_message(number))
                connection.wait_for(answered)
                assert answered.status == 0
        assert not connection.goaways


_HTTP2_FLOODS: dict[str, tuple[bytes, bytes]] = {
    "settings": (BEGINNING, SettingsFrame(0, settings={4: 65535}).serialize()),
    "empty_settings": (BEGINNING, SettingsFrame(0).serialize()),
    "pings": (BEGINNING, PingFrame(0, bytes(8)).serialize()),
    "resets_of_nothing": (BEGINNING, RstStreamFrame(1, 8).serialize()),
    "continuation": (
        BEGINNING + HeadersFrame(1, header_block()).serialize(),
        ContinuationFrame(1, b"\x40\x01a\x01b" * 100).serialize(),
    ),
    "empty_continuation": (
        BEGINNING + HeadersFrame(1, header_block()).serialize(),
        ContinuationFrame(1, b"").serialize(),
    ),
    "goaways": (BEGINNING, GoAwayFrame(0, last_stream_id=0).serialize()),
}


@pytest.mark.parametrize("kind", _HTTP2_FLOODS)
def test_flood_of_frames_ends_its_connection(server: RunningServer, kind: str) -> None:
    beginning, frame = _HTTP2_FLOODS[kind]
    received = _assert_ended(server.grpc_port, beginning, frame * 1000, 300)
    assert len(received) < 10_000_000


_HARMLESS_FLOODS: dict[str, bytes] = {
    "priorities": PriorityFrame(1, depends_on=0, stream_weight=7).serialize(),
    "unknown_frames": frame_bytes(0xBB, 0, 0, bytes(100)),
    "empty_data": DataFrame(1, b"").serialize(),
    "padding": DataFrame(1, b"", flags=["PADDED"], pad_length=255).serialize(),
    "credit": WindowUpdateFrame(1, window_increment=1).serialize(),
    "credit_for_all": WindowUpdateFrame(0, window_increment=1).serialize(),
}


@pytest.mark.parametrize("kind", _HARMLESS_FLOODS)
def test_frames_that_cost_nothing_cost_nothing(server: RunningServer, kind: str) -> None:
    before = Footprint(server)
    beginning = BEGINNING + call_bytes("ModelStreamInfer")
    _assert_ended(server.grpc_port, beginning, _HARMLESS_FLOODS[kind] * 1000, 300)
    before.assert_memory_grew_by_less_than(_SMALL)


def test_settings_flood_by_a_client_that_never_reads_is_bounded(server: RunningServer) -> None:
    before = Footprint(server)
    connection = connect(server.grpc_port, receive_buffer=4096)
    connection.sendall(BEGINNING)
    connection.settimeout(5)
    with contextlib.suppress(TimeoutError):  # the server reads no more, which is a bound too
        flood(connection, SettingsFrame(0).serialize() * 1000, 3000)
    before.assert_memory_grew_by_less_than(_SMALL)
    connection.close()


def test_credit_beyond_the_largest_window_is_refused(server: RunningServer) -> None:
    with Http2Connection(server.grpc_port) as connection:
        call = connection.start("ModelStreamInfer")
        for _ in range(3):
            connection.give_credit(call.stream_id, 2**31 - 1)
        connection.wait_for(call)
        assert call.reset == _FLOW_CONTROL_ERROR or call.status != 0
        for _ in range(3):
            connection.give_credit(0, 2**31 - 1)
        connection.wait_for_end()
        assert connection.goaways[-1].error_code == _FLOW_CONTROL_ERROR


def _call_of_many_headers(connection: Http2Connection, count: int) -> bool:
    """Make a call with one long header in the table, and then references to it; is it served?"""
    call, encoder = connection.new_call(), Encoder()
    block = encoder.encode([*call_headers("ModelInfer"), ("x-long", "v" * 3900)])
    block += encoder.encode([("x-long", "v" * 3900)]) * count
    frames: list[Frame] = [HeadersFrame(call.stream_id, block[:16000])]
    for at in range(16000, len(block), 16000):
        frames.append(ContinuationFrame(call.stream_id, block[at : at + 16000]))
    frames[-1].flags.add("END_HEADERS")
    try:
        connection.send_frames(*frames)
        connection.send(call, grpc_message(infer_message(1)), end=True)
        connection.wait_for(call)
    except (ConnectionEnded, ConnectionError):
        return False
    return call.reset is None and call.status == 0


def test_headers_that_unpack_to_much_are_refused(server: RunningServer) -> None:
    for count, is_served in ((10, True), (20, False), (10_000, False), (100_000, False)):
        with Http2Connection(server.grpc_port) as connection:
            assert _call_of_many_headers(connection, count) == is_served


def test_more_streams_than_allowed_are_not_served(server: RunningServer) -> None:
    with Http2Connection(server.grpc_port) as connection:
        connection.wait(lambda: bool(connection.server_settings))
        allowed = connection.server_settings[SettingsFrame.MAX_CONCURRENT_STREAMS]
        assert allowed == _MAX_CONCURRENT_STREAMS
        calls = [connection.start("ModelInfer") for _ in range(allowed)]
        for number, call in enumerate(calls):
            connection.send(call, grpc_message(infer_message(number)), end=True)
        connection.wait_for(*calls)
        assert {call.status for call in calls} == {0}
        calls = [connection.start("ModelInfer") for _ in range(allowed + 1)]
        with contextlib.suppress(ConnectionEnded):  # a stream or all of them: HTTP/2 allows both
            connection.wait_for(calls[-1])
            assert calls[-1].reset == _REFUSED_STREAM
        assert not any(call.heads for call in calls)
