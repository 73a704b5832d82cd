"""Goal: a connection carries any sequence of well-formed requests, however their bytes arrive.

Method: requests as bytes on sockets, cut and framed in every way that HTTP/1.1 allows; the answers
must come in order, and the connection end when, and only when, it should.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest

from tests.conformance.http_connection import HttpConnection, chunked, request_bytes
from tests.conformance.raw_http import Answer, binary_input, json_input
from tests.conformance.running_server import RunningServer

_INFER = "/v2/models/identity_fp32/infer"
_JSON_LENGTH = "Inference-Header-Content-Length"


@pytest.fixture
def connection(server: RunningServer) -> Iterator[HttpConnection]:
    """A connection that was not used yet."""
    with HttpConnection(server.http_port) as connected:
        yield connected


def _json_body(number: int) -> bytes:
    return json.dumps({"id": str(number), "inputs": [json_input([number, 2])]}).encode()


def _infer_request(number: int) -> bytes:
    return request_bytes("POST", _INFER, _json_body(number))


def _assert_infer_answer(answer: Answer, number: int) -> None:
    assert (answer.status, answer.json["id"]) == (200, str(number))
    assert answer.json["outputs"][0]["data"] == [float(number), 2.0]


def _binary_request(number: int) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a request whose tensor follows its JSON, as its answer's does."""
    parameters = {"binary_data_output": True}
    head = {"id": str(number), "inputs": [binary_input(8)], "parameters": parameters}
    text = json.dumps(head).encode()
    return {_JSON_LENGTH: str(len(text))}, text + struct.pack("<2f", number, 2)


def _assert_still_usable(connection: HttpConnection) -> None:
    connection.send(_infer_request(77))
    _assert_infer_answer(connection.answer(), 77)


def test_pipelined_requests_of_every_kind_are_answered_in_order(connection: HttpConnection) -> None:
    kinds: tuple[Callable[[int], bytes], ...] = (
        _infer_request,
        lambda _: request_bytes("GET", "/v2/models/fixed"),
        lambda _: request_bytes("GET", "/v2/health/live"),
        lambda number: request_bytes("POST", "/v2/models/nobody/infer", _json_body(number)),
        lambda _: request_bytes("POST", "/v2/repository/index"),
        lambda _: request_bytes("GET", "/v2/models/fixed/ready"),
    )
    numbers = range(10 * len(kinds))
    connection.send(b"".join(kind(number) for number, kind in zip(numbers, cycle(kinds))))
    for number in numbers:
        answer = connection.answer()
        match number % len(kinds):
            case 0:
                _assert_infer_answer(answer, number)
            case 1:
                assert answer.json["name"] == "fixed"
            case 3:
                assert answer.error == "Request for unknown model: 'nobody' is not found"
            case 4:
                assert "fixed" in {model["name"] for model in answer.json}
            case _:
                assert (answer.status, answer.body) == (200, b"")


def test_answers_come_while_the_next_request_is_not_whole(connection: HttpConnection) -> None:
    second = _infer_request(2)
    connection.send(_infer_request(1) + second[:50])
    _assert_infer_answer(connection.answer(), 1)
    connection.send(second[50:])
    _assert_infer_answer(connection.answer(), 2)


def test_request_may_be_cut_at_every_byte(connection: HttpConnection) -> None:
    headers, body = _binary_request(5)
    sent = request_bytes("POST", _INFER, body, headers)
    for at in range(1, len(sent)):
        connection.send(sent[:at], sent[at:])
        answer = connection.answer()
        assert answer.status == 200
        assert answer.body.endswith(struct.pack("<2f", 5, 2))


def test_chunked_request_may_be_cut_at_every_byte(connection: HttpConnection) -> None:
    head = f"POST {_INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = _json_body(6)
    sent = head + chunked([body[:10], body[10:]], extension=";a=b", trailers="Checksum: 1\r\n")
    for at in range(1, len(sent)):
        connection.send(sent[:at], sent[at:])
        _assert_infer_answer(connection.answer(), 6)


def test_request_may_come_byte_by_byte(connection: HttpConnection) -> None:
    sent = _infer_request(7)
    connection.send(*(sent[at : at + 1] for at in range(len(sent))))
    _assert_infer_answer(connection.answer(), 7)


def _cut(body: bytes, sizes: tuple[int, ...]) -> list[bytes]:
    """Return the body in pieces of these sizes, again and again."""
    pieces, at = [], 0
    for size in cycle(sizes):
        pieces.append(body[at : at + size])
        at += size
        if at >= len(body):
            return pieces
    raise AssertionError("no sizes")


@pytest.mark.parametrize("sizes", [(1,), (2, 1), (3, 5, 7, 11), (16, 1), (100_000,)])
@pytest.mark.parametrize("extension", ["", ";name=value", ';quoted="a;b"'])
@pytest.mark.parametrize("trailers", ["", "Checksum: none\r\nOther: a b\r\n"])
def test_chunks_of_any_size_make_the_same_body(
    connection: HttpConnection, sizes: tuple[int, ...], extension: str, trailers: str
) -> None:
    headers, body = _binary_request(8)
    encoding = {"Transfer-Encoding": "Chunked"}
    for path, content in ((_INFER, body), ("/v2/repository/index", b'{"ready": true}')):
        lines = [f"{name}: {value}\r\n" for name, value in {**headers, **encoding}.items()]
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\n{''.join(lines)}\r\n".encode()
        connection.send(
            head + chunked(_cut(content, sizes), extension=extension, trailers=trailers)
        )
        answer = connection.answer()
        assert answer.status == 200
        if path == _INFER:
            assert answer.body.endswith(body[-8:])
        else:
            assert all(model["state"] == "READY" for model in answer.json)


def test_chunk_sizes_may_have_zeros_in_front(connection: HttpConnection) -> None:
    head = f"POST {_INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = _json_body(9)
    sent = b"%08x\r\n%b\r\n0000\r\n\r\n" % (len(body), body)
    connection.send(head + sent)
    _assert_infer_answer(connection.answer(), 9)


@pytest.mark.parametrize("path", [_INFER, "/v2/repository/index"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_client_that_asks_may_go_on(connection: HttpConnection, path: str, framing: str) -> None:
    body = _json_body(3) if path == _INFER else b'{"ready": true}'
    size = f"Content-Length: {len(body)}" if framing == "length" else "Transfer-Encoding: chunked"
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{size}\r\n\r\n"
    connection.send(head.encode())
    assert connection.answer().status == 100
    connection.send(body if framing == "length" else chunked([body]))
    assert connection.answer().status == 200
    _assert_still_usable(connection)


def test_client_that_asks_and_does_not_wait_gets_one_answer(connection: HttpConnection) -> None:
    connection.send(request_bytes("POST", _INFER, _json_body(4), {"Expect": "100-continue"}))
    answer = connection.answer()
    if answer.status == 100:
        answer = connection.answer()
    _assert_infer_answer(answer, 4)
    _assert_still_usable(connection)


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/fixed/ready", "/v2/nothing"]
)
def test_head_is_get_without_its_body(connection: HttpConnection, path: str) -> None:
    connection.send(request_bytes("GET", path) + request_bytes("HEAD", path))
    whole, head = connection.answer(), connection.answer(head_only=True)
    assert head.status == whole.status
    assert head.headers.get("content-length") in (None, whole.headers["content-length"])
    _assert_still_usable(connection)


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", _INFER])
def test_connection_ends_when_the_client_says_so(server: RunningServer, path: str) -> None:
    body, method = (_json_body(1), "POST") if path == _INFER else (b"", "GET")
    for header in ("close", "Close", "foo, close"):
        with HttpConnection(server.http_port) as connection:
            connection.send(request_bytes(method, path, body, {"Connection": header}))
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert connection.rest() == b""


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", _INFER])
def test_http_1_0_is_answered_and_ends(server: RunningServer, path: str) -> None:
    body, method = (_json_body(1), "POST") if path == _INFER else (b"", "GET")
    sent = request_bytes(method, path, body).replace(b"HTTP/1.1", b"HTTP/1.0")
    with HttpConnection(server.http_port) as connection:
        connection.send(sent)
        answer = connection.answer()
        assert answer.status == 200
        assert "transfer-encoding" not in answer.headers
        assert connection.rest() == b""


def test_connection_outlives_the_errors_of_its_requests(connection: HttpConnection) -> None:
    bad = (
        request_bytes("POST", _INFER, b"no json"),
        request_bytes("POST", "/v2/models/nobody/infer", b"{}"),
        request_bytes("GET", "/nothing"),
        request_bytes("DELETE", _INFER),
        request_bytes("POST", _INFER, b"no gzip", {"Content-Encoding": "gzip"}),
        request_bytes("POST", _INFER, b"{}", {"Content-Encoding": "br"}),
        request_bytes("POST", _INFER, b"{}", {_JSON_LENGTH: "3"}),
    )
    for request in bad:
        connection.send(request)
        assert connection.answer().status >= 400
    _assert_still_usable(connection)


def test_connection_of_a_client_that_has_said_its_last_ends(server: RunningServer) -> None:
    for sent in (b"", _infer_request(1)[:60], _infer_request(1) + request_bytes("GET", "/v2")):
        with HttpConnection(server.http_port) as connection:
            connection.send(sent)
            connection.socket.shutdown(socket.SHUT_WR)
            received = connection.rest()
        assert received.startswith(b"HTTP/1.1 200 OK\r\n") or not received


def test_spelling_of_headers_does_not_matter(connection: HttpConnection) -> None:
    _, body = _binary_request(4)
    length = len(body) - 8
    lines = (
        f"POST {_INFER} HTTP/1.1",
        "hOST:a",
        f"CONTENT-length:\t {len(body)} \t",
        f"inference-header-CONTENT-LENGTH:{length}",
        "Empty:",
        "X-Same: 1",
        "X-Same: 2",
    )
    connection.send("\r\n".join((*lines, "", "")).encode() + body)
    answer = connection.answer()
    assert answer.status == 200
    assert answer.body.endswith(body[-8:])


def test_empty_lines_before_a_request_are_passed_over(connection: HttpConnection) -> None:
    connection.send(b"\r\n\r\n" + _infer_request(1) + b"\r\n" + _infer_request(2))
    _assert_infer_answer(connection.answer(), 1)
    _assert_infer_answer(connection.answer(), 2)


def test_query_of_a_path_is_passed_over(connection: HttpConnection) -> None:
    connection.send(request_bytes("POST", f"{_INFER}?a=b/infer", _json_body(1)))
    _assert_infer_answer(connection.answer(), 1)
    for path in ("/v2?x", "/v2/health/live?", "/v2/models/fixed/ready?a=/v2"):
        connection.send(request_bytes("GET", path))
        assert connection.answer().status == 200


def test_one_connection_serves_a_thousand_requests(connection: HttpConnection) -> None:
    for number in range(1000):
        connection.send(_infer_request(number))
        _assert_infer_answer(connection.answer(), number)
