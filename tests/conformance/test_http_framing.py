"""Goal: nobody can make two readers of one connection see different requests in it.

Method: the shapes that smuggle requests past proxies, each with a second request hidden inside. It
must be refused and the connection ended, so that what was hidden is never answered.
"""

from __future__ import annotations

import json

import pytest

from tests.conformance.http_connection import HttpConnection, chunked, request_bytes
from tests.conformance.raw_http import json_input
from tests.conformance.running_server import RunningServer

_HIDDEN = request_bytes("GET", "/v2/models/unbatched")
_BODY = json.dumps({"inputs": [json_input([1, 2])]}).encode()
_CHUNKED = chunked([_BODY])
_PATHS = ("/v2/models/identity_fp32/infer", "/v2/repository/index")

_HEADERS = {
    "length_and_chunked": ["Content-Length: 4", "Transfer-Encoding: chunked"],
    "chunked_and_length": ["Transfer-Encoding: chunked", "Content-Length: 4"],
    "two_lengths": [f"Content-Length: {len(_BODY)}", "Content-Length: 4"],
    "lengths_in_one_line": [f"Content-Length: {len(_BODY)}, 4"],
    "negative_length": ["Content-Length: -1"],
    "length_with_sign": [f"Content-Length: +{len(_BODY)}"],
    "length_in_hex": ["Content-Length: 0x10"],
    "length_with_a_space": ["Content-Length: 1 0"],
    "length_with_text": ["Content-Length: 10a"],
    "empty_length": ["Content-Length: "],
    "length_of_2_to_64": ["Content-Length: 18446744073709551616"],
    "length_beyond_any_number": [f"Content-Length: {'9' * 100}"],
    "space_before_colon": ["Content-Length : 4"],
    "folded_line": ["X: a", " Content-Length: 4"],
    "null_in_value": ["X: a\0b"],
    "null_in_name": ["X\0: b"],
    "return_in_value": ["X: a\rb"],
    "no_colon": ["Content-Length 4"],
    "empty_name": [": 4"],
    "space_in_name": ["Transfer Encoding: chunked"],
    "tab_before_name": ["\tTransfer-Encoding: chunked"],
}


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("shape", _HEADERS)
def test_ambiguous_head_is_refused(server: RunningServer, path: str, shape: str) -> None:
    lines = (f"POST {path} HTTP/1.1", "Host: a", *_HEADERS[shape])
    head = "\r\n".join((*lines, "", "")).encode()
    _assert_refused(server, head + (_CHUNKED if "chunked" in shape else _BODY) + _HIDDEN)


_BODIES = {
    "no_number": b"zz\r\n",
    "negative_size": b"-1\r\n",
    "size_with_sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "size_with_0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size_of_2_to_64": b"10000000000000000\r\n",
    "size_beyond_any_number": b"f" * 100 + b"\r\n",
    "empty_size": b"\r\nhello\r\n0\r\n\r\n",
    "space_before_size": b" 5\r\nhello\r\n0\r\n\r\n",
    "data_longer_than_its_size": b"3\r\nhello\r\n0\r\n\r\n",
    "no_line_end_after_data": b"5\r\nhello0\r\n\r\n",
    "size_line_that_ends_in_return": b"5\rhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("shape", _BODIES)
def test_ambiguous_chunks_are_refused(server: RunningServer, path: str, shape: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    _assert_refused(server, head + _BODIES[shape] + _HIDDEN)


_LINES = (
    b"GET /v2 HTTP/1.1 x\r\n\r\n",
    b"GET /v2 HTTPS/1.1\r\n\r\n",
    b"GET /v2\tHTTP/1.1\r\n\r\n",
    b"GET /v 2 HTTP/1.1\r\n\r\n",
    b"GET /v2 http/1.1\r\n\r\n",
    b"G\0T /v2 HTTP/1.1\r\n\r\n",
    b"(GET) /v2 HTTP/1.1\r\n\r\n",
    b"GET /v\0 HTTP/1.1\r\n\r\n",
    b" GET /v2 HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)


@pytest.mark.parametrize("line", _LINES, ids=repr)
def test_request_line_that_is_none_is_refused(server: RunningServer, line: bytes) -> None:
    _assert_refused(server, line + _HIDDEN)


def _assert_refused(server: RunningServer, sent: bytes) -> None:
    """At most one answer comes, an error, and then the connection ends."""
    with HttpConnection(server.http_port) as connection:
        connection.send(sent)
        received = connection.rest()
    assert received.count(b"HTTP/1.1 ") <= 1
    assert received.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505 "))
    assert b"unbatched" not in received
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert list(json.loads(body)) == ["error"]
    with HttpConnection(server.http_port) as connection:
        connection.send(request_bytes("POST", _PATHS[0], _BODY))
        assert connection.answer().json["outputs"][0]["data"] == [1.0, 2.0]
