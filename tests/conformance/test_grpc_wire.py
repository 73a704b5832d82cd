"""Goal: gRPC over HTTP/2 is answered as its protocol says, however a client cuts and frames it.

Method: one connection whose frames the test makes itself; statuses, trailers, windows and order are
read from what comes back.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from tritonclient.grpc import service_pb2

from tests.conformance.http2_connection import (
    PREFACE,
    Http2Call,
    Http2Connection,
    call_headers,
    frame_bytes,
    grpc_message,
)
from tests.conformance.infer_messages import (
    infer_message,
    large_infer_message,
    number_of,
    streamed_number_of,
)
from tests.conformance.running_server import RunningServer
from tests.conformance.server_socket import wait_until_read

_NO_ERROR = 0
_OK, _INVALID_ARGUMENT, _NOT_FOUND = 0, 3, 5
_RESOURCE_EXHAUSTED, _UNIMPLEMENTED, _INTERNAL = 8, 12, 13
_INITIAL_WINDOW_SIZE = SettingsFrame.INITIAL_WINDOW_SIZE
_ENOUGH = 2**31 - 1 - 65535


@pytest.fixture
def connection(server: RunningServer) -> Iterator[Http2Connection]:
    """A connection that was not used yet."""
    with Http2Connection(server.grpc_port) as connected:
        yield connected


def _assert_number(call: Http2Call, number: int) -> None:
    assert (call.status, call.ended) == (_OK, True)
    # A server that has answered before it read the end of the request may say that it needs no more
    # of it (RFC 9113, 8.1), as that of gRPC for Python does.
    assert call.reset in (None, _NO_ERROR)
    (answer,) = call.messages
    assert number_of(answer) == number


def _assert_still_usable(connection: Http2Connection) -> None:
    call = connection.unary("ModelInfer", infer_message(77))
    connection.wait_for(call)
    _assert_number(call, 77)


def test_answer_has_head_message_and_trailers(connection: Http2Connection) -> None:
    call = connection.unary("ModelInfer", infer_message(1))
    connection.wait_for(call)
    _assert_number(call, 1)
    head, trailers = call.heads
    assert head[":status"] == "200"
    assert head["content-type"].startswith("application/grpc")
    assert trailers["grpc-status"] == "0"
    assert not any(name.startswith(":") for name in trailers)


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("Nothing", _UNIMPLEMENTED),
        ("/other.Service/Call", _UNIMPLEMENTED),
        ("/", _UNIMPLEMENTED),
        ("/inference.GRPCInferenceService", _UNIMPLEMENTED),
        ("ModelInfer", _NOT_FOUND),
        ("ModelMetadata", _NOT_FOUND),
    ],
)
def test_error_is_one_head_with_its_status(
    connection: Http2Connection, method: str, status: int
) -> None:
    message = service_pb2.ModelMetadataRequest(name="nobody").SerializeToString()
    call = connection.unary(method, message)
    connection.wait_for(call)
    assert (call.status, call.messages) == (status, [])
    (head,) = call.heads
    assert head[":status"] == "200"
    assert call.text
    _assert_still_usable(connection)


@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata"])
def test_text_of_a_status_is_percent_encoded(connection: Http2Connection, method: str) -> None:
    name = "模型 100%\n\t\x7f"
    message = (
        infer_message(1, name)
        if method == "ModelInfer"
        else service_pb2.ModelMetadataRequest(name=name).SerializeToString()
    )
    call = connection.unary(method, message)
    connection.wait_for(call)
    assert call.text == f"Request for unknown model: '{name}' is not found"
    encoded = call.heads[0]["grpc-message"]
    assert encoded.isascii()
    assert encoded.isprintable()
    assert "%E6%A8%A1%E5%9E%8B 100%25%0A" in encoded


@pytest.mark.parametrize("letter", ["a", "é", "漢"])
def test_long_text_of_a_status_is_cut_between_characters(
    connection: Http2Connection, letter: str
) -> None:
    call = connection.unary("ModelInfer", infer_message(1, letter * 20_000))
    connection.wait_for(call)
    assert call.status == _NOT_FOUND
    assert len(call.heads[0]["grpc-message"]) <= 6 * 1024 + 3
    beginning = "Request for unknown model: '"
    assert call.text.startswith(beginning)
    assert call.text.endswith("...")
    assert set(call.text[len(beginning) : -3]) == {letter}


def test_request_may_be_cut_at_every_byte(server: RunningServer) -> None:
    with Http2Connection(server.grpc_port) as connection:
        for _ in range(2):  # the first request's headers are longer than those of later ones
            block = connection.header_block(call_headers("ModelInfer"))
            body = grpc_message(infer_message(5))
            size = 9 + len(block) + 9 + len(body)
            for at in range(1, size):
                call = connection.new_call()
                head = HeadersFrame(call.stream_id, block, flags=["END_HEADERS"])
                data = DataFrame(call.stream_id, body, flags=["END_STREAM"])
                sent = head.serialize() + data.serialize()
                connection.send_bytes(sent[:at])
                wait_until_read(connection.socket)
                connection.send_bytes(sent[at:])
                connection.wait_for(call)
                _assert_number(call, 5)
                block = connection.header_block(call_headers("ModelInfer"))


def test_connection_may_begin_byte_by_byte(server: RunningServer) -> None:
    with Http2Connection(server.grpc_port, begins=False) as connection:
        call = connection.new_call()
        block = connection.header_block(call_headers("ModelInfer"))
        head = HeadersFrame(call.stream_id, block, flags=["END_HEADERS"])
        body = grpc_message(infer_message(6))
        data = DataFrame(call.stream_id, body, flags=["END_STREAM"])
        frames = b"".join(frame.serialize() for frame in (SettingsFrame(0), head, data))
        for byte in PREFACE + frames:
            connection.send_bytes(bytes([byte]))
            wait_until_read(connection.socket)
        connection.wait_for(call)
        _assert_number(call, 6)


def test_message_may_come_in_frames_of_a_byte(connection: Http2Connection) -> None:
    call = connection.start("ModelInfer")
    for byte in grpc_message(infer_message(7)):
        connection.send_frames(DataFrame(call.stream_id, bytes([byte])), DataFrame(call.stream_id))
    connection.finish(call)
    connection.wait_for(call)
    _assert_number(call, 7)


def test_headers_may_be_continued_in_small_frames(connection: Http2Connection) -> None:
    call = connection.new_call()
    more = [("x-long", "v" * 5000), ("x-binary-bin", "AAEC")]
    block = connection.header_block(call_headers("ModelInfer", more))
    connection.send_frames(
        HeadersFrame(call.stream_id, block[:1]),
        *(ContinuationFrame(call.stream_id, bytes([byte])) for byte in block[1:7]),
        ContinuationFrame(call.stream_id, block[7:], flags=["END_HEADERS"]),
        DataFrame(call.stream_id, grpc_message(infer_message(8)), flags=["END_STREAM"]),
    )
    connection.wait_for(call)
    _assert_number(call, 8)
    _assert_still_usable(connection)


def test_frames_that_mean_nothing_to_a_server_are_passed_over(connection: Http2Connection) -> None:
    call = connection.start("ModelInfer")
    connection.send_frames(
        PriorityFrame(call.stream_id, depends_on=0, stream_weight=7),
        SettingsFrame(0, settings={0x0A0A: 7}),
    )
    connection.send_bytes(frame_bytes(0xBB, 0xFF, 0, b"grease") + frame_bytes(0xBC, 1, 1, b""))
    connection.send(call, grpc_message(infer_message(9)), end=True)
    connection.wait_for(call)
    _assert_number(call, 9)


def test_calls_of_one_connection_do_not_wait_for_each_other(connection: Http2Connection) -> None:
    open_call = connection.start("ModelInfer")
    half = connection.start("ModelInfer")
    connection.send(half, grpc_message(infer_message(2))[:9])
    calls = [connection.unary("ModelInfer", infer_message(number)) for number in range(90)]
    connection.wait_for(*calls)
    for number, call in enumerate(calls):
        _assert_number(call, number)
    connection.send(half, grpc_message(infer_message(2))[9:], end=True)
    connection.send(open_call, grpc_message(infer_message(1)), end=True)
    connection.wait_for(half, open_call)
    _assert_number(half, 2)
    _assert_number(open_call, 1)


@pytest.mark.parametrize("window", [1, 100, 16384])
def test_answers_fit_through_any_window(server: RunningServer, window: int) -> None:
    size = window * 300 // 256 * 256 + 256
    settings = {_INITIAL_WINDOW_SIZE: window}
    with Http2Connection(server.grpc_port, settings=settings) as connection:
        call = connection.unary("ModelInfer", large_infer_message(size))
        connection.wait_for(call)
        assert call.status == _OK
        response = service_pb2.ModelInferResponse.FromString(call.messages[0])
        assert response.raw_output_contents[0] == bytes(range(256)) * (size // 256)


def test_window_may_change_while_an_answer_waits(server: RunningServer) -> None:
    settings = {_INITIAL_WINDOW_SIZE: 0}
    with Http2Connection(server.grpc_port, settings=settings) as connection:
        calls = [connection.unary("ModelInfer", infer_message(number)) for number in range(20)]
        connection.wait(lambda: all(call.heads for call in calls))
        assert not any(call.data for call in calls)
        connection.send_frames(SettingsFrame(0, settings={_INITIAL_WINDOW_SIZE: 65535}))
        connection.wait_for(*calls)
        for number, call in enumerate(calls):
            _assert_number(call, number)


def test_large_messages_pass_both_ways(connection: Http2Connection) -> None:
    size = 20 << 20
    connection.give_credit(0, _ENOUGH)
    call = connection.unary("ModelInfer", large_infer_message(size))
    connection.wait_for(call)
    assert call.status == _OK
    assert len(call.data) > size


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_requests_may_be_compressed(connection: Http2Connection, coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress
    for method in ("ModelInfer", "ModelStreamInfer"):
        call = connection.start(method, [("grpc-encoding", coding)])
        packed = grpc_message(pack(infer_message(4)), compressed=True)
        connection.send(call, packed + (b"" if method == "ModelInfer" else packed), end=True)
        connection.wait_for(call)
        assert call.status == _OK
    assert [streamed_number_of(answer) for answer in call.messages] == [4, 4]
    request = pack(service_pb2.ModelMetadataRequest(name="fixed").SerializeToString())
    call = connection.start("ModelMetadata", [("grpc-encoding", coding)])
    connection.send(call, grpc_message(request, compressed=True), end=True)
    connection.wait_for(call)
    assert service_pb2.ModelMetadataResponse.FromString(call.messages[0]).name == "fixed"


def test_message_need_not_be_compressed_where_it_may_be(connection: Http2Connection) -> None:
    call = connection.start("ModelInfer", [("grpc-encoding", "gzip")])
    connection.send(call, grpc_message(infer_message(4)), end=True)
    connection.wait_for(call)
    _assert_number(call, 4)


@pytest.mark.parametrize("method", ["ModelInfer", "ModelStreamInfer", "ModelMetadata"])
def test_broken_compression_ends_its_call_alone(connection: Http2Connection, method: str) -> None:
    broken = (
        ("gzip", b"no gzip", (_INTERNAL,)),
        ("deflate", zlib.compress(infer_message(1))[:-6], (_INTERNAL,)),
        ("identity", infer_message(1), (_INTERNAL,)),
        ("br", infer_message(1), (_INTERNAL, _UNIMPLEMENTED)),
    )
    for coding, body, statuses in broken:
        call = connection.start(method, [("grpc-encoding", coding)])
        connection.send(call, grpc_message(body, compressed=True), end=True)
        connection.wait_for(call)
        assert call.status in statuses, coding
        assert call.text
    _assert_still_usable(connection)


@pytest.mark.parametrize("method", ["ModelInfer", "ModelStreamInfer", "ModelMetadata"])
def test_message_that_claims_too_much_is_refused_at_once(
    connection: Http2Connection, method: str
) -> None:
    for size in (2**31, 2**32 - 1):
        call = connection.start(method)
        connection.send(call, b"\0" + size.to_bytes(4, "big") + b"beginning")
        connection.wait_for(call)
        assert call.status == _RESOURCE_EXHAUSTED
        assert f"Received message larger than max ({size} vs. 2147483647)" in call.text
    _assert_still_usable(connection)


def test_ping_is_answered_with_what_it_brought(connection: Http2Connection) -> None:
    call = connection.start("ModelInfer")
    connection.send_frames(PingFrame(0, b"\0\1\2pings"))
    connection.wait(lambda: bool(connection.ping_answers))
    assert connection.ping_answers == [b"\0\1\2pings"]
    connection.send(call, grpc_message(infer_message(1)), end=True)
    connection.wait_for(call)
    _assert_number(call, 1)


def test_client_that_has_said_its_last_gets_its_answers(connection: Http2Connection) -> None:
    stream = connection.start("ModelStreamInfer")
    messages = b"".join(grpc_message(infer_message(number)) for number in range(2000))
    connection.give_credit(0, _ENOUGH)
    connection.send_frames(WindowUpdateFrame(stream.stream_id, window_increment=_ENOUGH))
    connection.send(stream, messages, end=True)
    connection.wait_for(stream)
    assert stream.status == _OK
    assert [streamed_number_of(answer) for answer in stream.messages] == list(range(2000))


def test_streams_and_calls_share_a_connection(connection: Http2Connection) -> None:
    streams = [connection.start("ModelStreamInfer") for _ in range(10)]
    calls = []
    for number in range(50):
        for place, stream in enumerate(streams):
            connection.send(stream, grpc_message(infer_message(number * 100 + place)))
        calls.append(connection.unary("ModelInfer", infer_message(number)))
    for stream in streams:
        connection.finish(stream)
    connection.wait_for(*calls, *streams)
    for number, call in enumerate(calls):
        _assert_number(call, number)
    for place, stream in enumerate(streams):
        received = [streamed_number_of(answer) for answer in stream.messages]
        assert received == [number * 100 + place for number in range(50)]


def test_stream_answers_while_it_is_open(connection: Http2Connection) -> None:
    stream = connection.start("ModelStreamInfer")
    for number in range(20):
        connection.send(stream, grpc_message(infer_message(number)))
        connection.wait_for_messages(stream, number + 1)
        assert streamed_number_of(stream.messages[number]) == number
    connection.finish(stream)
    connection.wait_for(stream)
    assert stream.status == _OK
