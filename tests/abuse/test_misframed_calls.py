"""Goal: a call that is not gRPC, or not framed as gRPC frames, gets a status that says so, alone.

Method: calls whose headers, messages or frames break one rule each; the connection must go on, or
end with the error that HTTP/2 has for it.
"""

from __future__ import annotations

import socket

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.conformance.http2_connection import (
    SERVICE,
    Headers,
    Http2Call,
    Http2Connection,
    call_headers,
    frame_bytes,
    grpc_message,
)
from tests.conformance.infer_messages import infer_message, number_of
from tests.conformance.running_server import RunningServer

_UNIMPLEMENTED, _INTERNAL = 12, 13
_PROTOCOL_ERROR, _FLOW_CONTROL_ERROR, _STREAM_CLOSED = 1, 3, 5
_FRAME_SIZE_ERROR, _COMPRESSION_ERROR, _ENHANCE_YOUR_CALM = 6, 9, 11
_MESSAGE = grpc_message(infer_message(1))
_METHODS = ("ModelInfer", "ServerLive", "ModelMetadata")


def _assert_usable(connection: Http2Connection) -> None:
    call = connection.unary("ModelInfer", infer_message(7))
    connection.wait_for(call)
    assert number_of(call.messages[0]) == 7


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"", (_UNIMPLEMENTED, _INTERNAL)),
        (_MESSAGE[:3], (_INTERNAL,)),
        (_MESSAGE[:-3], (_INTERNAL,)),
        (b"\x07" + _MESSAGE[1:], (_INTERNAL,)),
        (b"\x01" + _MESSAGE[1:], (_INTERNAL,)),
    ],
    ids=["nothing", "cut_prefix", "cut_message", "unknown_flag", "no_coding"],
)
def test_call_without_a_whole_message_is_refused(
    server: RunningServer, method: str, sent: bytes, statuses: tuple[int, ...]
) -> None:
    with Http2Connection(server.grpc_port) as connection:
        call = connection.start(method)
        connection.send(call, sent)
        connection.finish(call)
        connection.wait_for(call)
        assert call.status in statuses
        assert call.text
        assert call.messages == []
        _assert_usable(connection)


@pytest.mark.parametrize("method", ["ModelInfer", "ServerLive"])
def test_call_with_a_second_message_is_refused(server: RunningServer, method: str) -> None:
    with Http2Connection(server.grpc_port) as connection:
        call = connection.start(method)
        connection.send(call, _MESSAGE + _MESSAGE, end=True)
        connection.wait_for(call)
        assert (call.status, call.messages) == (_UNIMPLEMENTED, [])
        _assert_usable(connection)


def _headers(**changes: str | None) -> Headers:
    """Return the headers of an inference, some of them changed, or left out."""
    names = {name.strip(":").replace("-", "_"): name for name, _ in call_headers("ModelInfer")}
    changed = {names.get(key, key): value for key, value in changes.items()}
    plain = dict(call_headers("ModelInfer")) | changed
    return [(name, value) for name, value in plain.items() if value is not None]


def _is_refused(call: Http2Call) -> bool:
    return call.reset is not None or call.heads[0][":status"] != "200" or call.status != 0


@pytest.mark.parametrize(
    "headers",
    [
        _headers(method="GET"),
        _headers(method="PUT"),
        _headers(content_type="application/json"),
        _headers(content_type="application/grpcx"),
        _headers(content_type=None),
        _headers(method=None),
        _headers(path=None),
        _headers(scheme=None),
        [*_headers(), (":path", f"{SERVICE}/ModelInfer")],
        [*_headers(), (":late", "pseudo header")],
        [*_headers(), (":status", "200")],
        [*_headers(), ("Upper-Case", "name")],
        [*_headers(), ("connection", "keep-alive")],
        [*_headers(), ("transfer-encoding", "chunked")],
        [*_headers(), ("te", "gzip")],
        [*_headers(), ("null", "a\0b")],
        [*_headers(), ("line-end", "a\r\nb: c")],
        [*_headers(), ("content-length", "1")],
        [*_headers(), ("content-length", "x")],
    ],
    ids=lambda headers: str(headers[-1]),
)
def test_headers_that_are_not_of_a_call_are_refused(
    server: RunningServer, headers: Headers
) -> None:
    with Http2Connection(server.grpc_port) as connection:
        call = connection.start_with(headers)
        connection.send(call, _MESSAGE, end=True)
        connection.wait_for(call)
        assert _is_refused(call)
        _assert_usable(connection)


def test_method_that_is_not_grpc_is_told_in_terms_of_http(server: RunningServer) -> None:
    with Http2Connection(server.grpc_port) as connection:
        wrong_type = connection.start_with(_headers(content_type="text/html"), end=True)
        connection.wait_for(wrong_type)
        assert wrong_type.heads[0][":status"] == "415"
        wrong_method = connection.start_with(_headers(method="GET"), end=True)
        connection.wait_for(wrong_method)
        assert wrong_method.heads[0][":status"] == "405"


@pytest.mark.parametrize("content_type", ["application/grpc+proto", "application/grpc;charset=a"])
def test_kinds_of_grpc_are_taken(server: RunningServer, content_type: str) -> None:
    with Http2Connection(server.grpc_port) as connection:
        call = connection.start_with(_headers(content_type=content_type))
        connection.send(call, _MESSAGE, end=True)
        connection.wait_for(call)
        assert call.status == 0


def test_padding_is_taken_off(server: RunningServer) -> None:
    with Http2Connection(server.grpc_port) as connection:
        for _ in range(200):  # more padding in all than the first windows hold
            call = connection.new_call()
            block = connection.header_block(call_headers("ModelInfer"))
            connection.send_frames(
                HeadersFrame(call.stream_id, block[:1], flags=["PADDED"], pad_length=200),
                ContinuationFrame(call.stream_id, block[1:], flags=["END_HEADERS"]),
                DataFrame(call.stream_id, _MESSAGE[:7], flags=["PADDED"], pad_length=255),
                DataFrame(call.stream_id, b"", flags=["PADDED"], pad_length=255),
                DataFrame(call.stream_id, _MESSAGE[7:], pad_length=0, flags=["PADDED"]),
            )
            connection.finish(call)
            connection.wait_for(call)
            assert number_of(call.messages[0]) == 1


def test_trailers_of_a_client_end_its_requests(server: RunningServer) -> None:
    with Http2Connection(server.grpc_port) as connection:
        call = connection.start("ModelInfer")
        connection.send(call, _MESSAGE)
        block = connection.header_block([("x-trailer", "1")])
        flags = ["END_HEADERS", "END_STREAM"]
        connection.send_frames(HeadersFrame(call.stream_id, block, flags=flags))
        connection.wait_for(call)
        assert number_of(call.messages[0]) == 1


def _open(stream_id: int) -> HeadersFrame:
    """Return a frame of headers that is valid, but for what is around it."""
    block = b"\x83\x86\x44\x01/\x5f\x10application/grpc"
    return HeadersFrame(stream_id, block, flags=["END_HEADERS"])


_BROKEN: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "even_stream": (_open(2).serialize(), (_PROTOCOL_ERROR,)),
    "stream_zero": (frame_bytes(1, 4, 0, b"\x83"), (_PROTOCOL_ERROR,)),
    "data_on_stream_zero": (frame_bytes(0, 0, 0, b"a"), (_PROTOCOL_ERROR,)),
    "data_on_idle_stream": (DataFrame(7, b"a").serialize(), (_PROTOCOL_ERROR, _STREAM_CLOSED)),
    "reset_of_idle_stream": (RstStreamFrame(7, 8).serialize(), (_PROTOCOL_ERROR,)),
    "continuation_of_nothing": (
        ContinuationFrame(1, b"a", flags=["END_HEADERS"]).serialize(),
        (_PROTOCOL_ERROR,),
    ),
    "frame_inside_headers": (
        HeadersFrame(1, b"\x83").serialize() + PingFrame(0, bytes(8)).serialize(),
        (_PROTOCOL_ERROR,),
    ),
    "other_stream_inside_headers": (
        HeadersFrame(1, b"\x83").serialize() + ContinuationFrame(3, b"\x83").serialize(),
        (_PROTOCOL_ERROR,),
    ),
    "short_ping": (frame_bytes(6, 0, 0, bytes(7)), (_FRAME_SIZE_ERROR,)),
    "short_settings": (frame_bytes(4, 0, 0, bytes(5)), (_FRAME_SIZE_ERROR,)),
    "acknowledged_settings_with_data": (frame_bytes(4, 1, 0, bytes(6)), (_FRAME_SIZE_ERROR,)),
    "settings_on_a_stream": (frame_bytes(4, 0, 1, b""), (_PROTOCOL_ERROR,)),
    "window_too_large": (
        SettingsFrame(0, settings={4: 2**31}).serialize(),
        (_FLOW_CONTROL_ERROR,),
    ),
    "frame_size_too_small": (SettingsFrame(0, settings={5: 100}).serialize(), (_PROTOCOL_ERROR,)),
    "no_credit": (frame_bytes(8, 0, 0, bytes(4)), (_PROTOCOL_ERROR,)),
    "short_credit": (frame_bytes(8, 0, 0, bytes(3)), (_FRAME_SIZE_ERROR,)),
    "too_much_credit": (
        WindowUpdateFrame(0, window_increment=2**31 - 1).serialize(),
        (_FLOW_CONTROL_ERROR,),
    ),
    "frame_too_large": (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(100), (_FRAME_SIZE_ERROR,)),
    "push": (frame_bytes(5, 4, 1, bytes(4) + b"\x83"), (_PROTOCOL_ERROR,)),
    "bad_index": (
        HeadersFrame(1, b"\xff\xff", flags=["END_HEADERS"]).serialize(),
        (_COMPRESSION_ERROR,),
    ),
    "bad_huffman": (
        HeadersFrame(1, b"\x40\x81\xff\x01a", flags=["END_HEADERS"]).serialize(),
        (_COMPRESSION_ERROR,),
    ),
    "table_too_large": (
        HeadersFrame(1, b"\x3f\xff\xff\xff\x07", flags=["END_HEADERS"]).serialize(),
        (_COMPRESSION_ERROR,),
    ),
    "more_padding_than_data": (frame_bytes(1, 0x0C, 1, b"\xff\x83"), (_PROTOCOL_ERROR,)),
}


@pytest.mark.parametrize("case", _BROKEN)
def test_broken_connection_ends_with_the_error_of_http2(server: RunningServer, case: str) -> None:
    sent, codes = _BROKEN[case]
    with Http2Connection(server.grpc_port) as connection:
        connection.send_bytes(sent)
        connection.wait_for_end()
        assert connection.goaways[-1].error_code in codes


@pytest.mark.parametrize(
    "sent",
    [b"", b"PRI * HTTP/1.1\r\n\r\n", b"\0" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(20)],
)
def test_connection_that_does_not_begin_with_settings_is_ended(
    server: RunningServer, sent: bytes
) -> None:
    with Http2Connection(server.grpc_port, begins=False) as connection:
        connection.send_bytes(sent)
        if not sent:
            connection.socket.shutdown(socket.SHUT_WR)
        connection.wait_for_end()


def test_frame_of_the_largest_size_is_taken(server: RunningServer) -> None:
    with Http2Connection(server.grpc_port) as connection:
        connection.wait(lambda: bool(connection.server_settings))
        size = connection.server_settings.get(SettingsFrame.MAX_FRAME_SIZE, 16384)
        call = connection.start("ModelInfer")
        message = grpc_message(infer_message(3, request_id="i" * (size - len(_MESSAGE) - 20)))
        frame: Frame = DataFrame(call.stream_id, message, flags=["END_STREAM"])
        assert size - 40 < len(message) <= size
        connection.send_frames(frame)
        connection.wait_for(call)
        assert number_of(call.messages[0]) == 3
