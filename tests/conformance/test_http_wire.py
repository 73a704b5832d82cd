"""Goal: HTTP itself is answered as V2 says: routes, verbs, headers, encodings, limits.

Method: plain requests, most of them as no client library would send them.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.model_files import identity_config, write_config
from tests.conformance.raw_http import binary_input, exchange, infer, json_input, request
from tests.conformance.running_server import RunningServer, ServerOptions

_LIMIT = 1000
_ONE = {"inputs": [json_input([1, 2])]}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2", 200),
        ("HEAD", "/v2", 200),
        ("GET", "/v2/health/live", 200),
        ("HEAD", "/v2/health/ready", 200),
        ("GET", "/v2/models/fixed", 200),
        ("GET", "/v2/models/fixed/versions/1", 200),
        ("GET", "/v2/models/fixed/ready", 200),
        ("GET", "/v2/models/fixed/versions/1/ready", 200),
        ("GET", "/v2/models/unknown/ready", 404),
        ("GET", "/v2/models/fixed/versions/7/ready", 404),
        ("GET", "/v2/models/fixed/config", 200),
        ("GET", "/v2/models/stats", 200),
        ("GET", "/v2/models/fixed/versions/1/stats", 200),
        ("POST", "/v2/repository/index", 200),
        ("GET", "/metrics", 200),
        ("GET", "/", 404),
        ("GET", "/v2/", 404),
        ("GET", "/v2/models/fixed/versions/one", 404),
        ("GET", "/v2/models/fixed/versions/1/trace/setting", 404),
        ("GET", "/v2/models/fixed/generate", 405),
        ("GET", "/v2/models/fixed/generate_stream", 405),
        ("POST", "/v2/models//infer", 404),
        ("POST", "/v2/models/fixed/versions//infer", 404),
        ("POST", "/v2/models/a/b/infer", 404),
        ("POST", "/v2", 405),
        ("DELETE", "/v2/models/fixed", 405),
        ("GET", "/v2/models/fixed/infer", 405),
        ("PUT", "/v2/models/fixed/versions/1/infer", 405),
        ("GET", "/v2/repository/index", 405),
        ("POST", "/v2/repository/some/models/fixed/load", 501),
    ],
)
def test_routes_and_verbs(server: RunningServer, method: str, path: str, status: int) -> None:
    answer = request(server.http_port, method, path)
    assert answer.status == status
    if status == 404 and "models" not in path:
        assert answer.error == "Not Found"
    if status == 405:
        assert answer.error == "Method Not Allowed"
    if method == "HEAD":
        assert answer.body == b""


def test_health_bodies_are_empty(server: RunningServer) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/fixed/ready"):
        assert request(server.http_port, "GET", path).body == b""


def test_path_segments_are_not_decoded(server: RunningServer) -> None:
    answer = request(server.http_port, "GET", "/v2/models/fix%65d")
    assert answer.status == 404
    assert answer.error == "Request for unknown model: 'fix%65d' is not found"


def test_json_response_has_keys_in_order(server: RunningServer) -> None:
    answer = infer(server.http_port, "identity_fp32", {"id": "a", **_ONE})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert "inference-header-content-length" not in answer.headers
    keys = [key for key in answer.json if key != "parameters"]
    assert keys == ["id", "model_name", "model_version", "outputs"]
    assert answer.json["outputs"] == [
        {"name": "OUTPUT0", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}
    ]


def test_binary_response_says_where_its_json_ends(server: RunningServer) -> None:
    data = struct.pack("<2f", 3, 4)
    head = json.dumps(
        {"inputs": [binary_input(8)], "parameters": {"binary_data_output": True}}
    ).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = infer(server.http_port, "identity_fp32", head + data, headers)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    output = json.loads(answer.body[:length])["outputs"][0]
    assert output["parameters"]["binary_data_size"] == 8
    assert answer.body[length:] == data


def test_nested_and_flat_data_are_the_same(server: RunningServer) -> None:
    for data in ([1, 2, 3, 4], [[1, 2], [3, 4]], [[[1], [2]], [[3], [4]]]):
        body = {"inputs": [json_input(data, [2, 2])]}
        answer = infer(server.http_port, "identity_fp32", body)
        assert answer.json["outputs"][0]["data"] == [1.0, 2.0, 3.0, 4.0]


def test_raw_binary_request_needs_no_json(server: RunningServer) -> None:
    data = struct.pack("<4f", 1, 2, 3, 4)
    headers = {"Inference-Header-Content-Length": "0"}
    answer = infer(server.http_port, "fixed", data, headers)
    assert answer.status == 200
    assert answer.body.endswith(data)


def test_not_a_number_travels_as_bare_literal(server: RunningServer) -> None:
    values = [float("nan"), float("inf"), float("-inf")]
    body = json.dumps({"inputs": [json_input(values, [1, 3])]})
    assert "[NaN, Infinity, -Infinity]" in body
    answer = infer(server.http_port, "identity_fp32", body)
    assert answer.status == 200
    assert b"[NaN,Infinity,-Infinity]" in answer.body.replace(b" ", b"")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip;q=0, identity", None),
        ("*", None),
        ("br, zstd", None),
        ("identity;q=1, gzip;q=0.9", None),
        ("gzip;q=oops, deflate;q=0.1", "deflate"),
    ],
)
def test_response_coding_follows_accepted_weights(
    server: RunningServer, accepted: str, coding: str | None
) -> None:
    answer = infer(server.http_port, "identity_fp32", _ONE, {"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    plain = answer.body
    if coding is not None:
        plain = gzip.decompress(plain) if coding == "gzip" else zlib.decompress(plain)
    assert json.loads(plain)["outputs"][0]["data"] == [1.0, 2.0]


@pytest.mark.parametrize("path", ["/v2/models/identity_fp32/infer", "/v2/repository/index"])
def test_unknown_request_coding_is_refused_with_those_known(
    server: RunningServer, path: str
) -> None:
    headers = {"Content-Encoding": "br"}
    answer = request(server.http_port, "POST", path, json.dumps(_ONE), headers)
    assert (answer.status, answer.error) == (501, "Unsupported compression type")
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"{}", mtime=0)[:-4], b""])
def test_broken_compression_is_said_so(server: RunningServer, body: bytes) -> None:
    answer = infer(server.http_port, "identity_fp32", body, {"Content-Encoding": "gzip"})
    assert answer.status == 400
    assert answer.error.startswith("failed to decompress the request body")


def test_pipelined_requests_are_answered_in_order(server: RunningServer) -> None:
    head = "GET /v2/models/{} HTTP/1.1\r\nHost: a\r\n{}\r\n"
    sent = head.format("fixed", "") + head.format("unbatched", "Connection: close\r\n")
    received = exchange(server.http_port, sent.encode())
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b'"fixed"') < received.index(b'"unbatched"')


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /v2 HTTP/9.9\r\n\r\n",
        b"POST /v2/models/fixed/infer HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /v2/models/fixed/infer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"GET /v2 HTTP/1.1\r\nHost: a\r\nX: ".ljust(64 * 1024 + 1, b"a"),
        b"GET /v2 HTTP/1.1\r\nHost: a\r\nX: ".ljust(100_000, b"a") + b"\r\n\r\n",
    ],
)
def test_broken_http_ends_its_connection_alone(server: RunningServer, sent: bytes) -> None:
    head, _, body = exchange(server.http_port, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head
    assert list(json.loads(body)) == ["error"]
    assert infer(server.http_port, "identity_fp32", _ONE).status == 200


def test_too_many_chunks_are_refused(server: RunningServer) -> None:
    text = json.dumps(_ONE)
    padding = " " * (65536 - len(text))
    answer = infer(server.http_port, "identity_fp32", (byte.encode() for byte in text + padding))
    assert answer.status == 200
    answer = infer(
        server.http_port, "identity_fp32", (byte.encode() for byte in text + padding + " ")
    )
    assert answer.status == 400
    assert answer.error == (
        "Chunked request body exceeds maximum of 65536 non-empty chunks. "
        "Send fewer or larger HTTP chunks."
    )


@pytest.fixture(scope="module")
def limited_port(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The HTTP port of a server that takes 1000 bytes and no more."""
    repository: Path = tmp_path_factory.mktemp("limit")
    write_config(repository, "identity", identity_config("FP32"))
    write_config(repository, "raw", identity_config("UINT8"))
    options = ServerOptions(["--http-max-input-size", str(_LIMIT)], frontend=frontend)
    with RunningServer(repository, options) as server:
        yield server.http_port


def test_body_of_exactly_the_limit_passes(limited_port: int) -> None:
    text = json.dumps(_ONE)
    assert infer(limited_port, "identity", text.ljust(_LIMIT)).status == 200
    raw = {"Inference-Header-Content-Length": "0"}
    assert infer(limited_port, "raw", bytes(_LIMIT), raw).status == 200


def test_one_byte_more_is_refused(limited_port: int) -> None:
    size = _LIMIT + 1
    answer = infer(limited_port, "identity", json.dumps(_ONE).ljust(size))
    assert answer.status == 400
    assert answer.error == (
        f"request JSON size of {size} bytes exceeds the maximum allowed input size of "
        f"{_LIMIT} bytes. Use --http-max-input-size to increase the limit."
    )
    raw = {"Inference-Header-Content-Length": "0"}
    answer = infer(limited_port, "raw", bytes(size), raw)
    assert answer.error == (
        f"Raw input has a byte_size ({size} bytes) that exceeds the maximum allowed value of "
        f"{_LIMIT} bytes. Use --http-max-input-size to increase the limit."
    )


def test_chunks_are_counted_too(limited_port: int) -> None:
    text = json.dumps(_ONE).encode()
    answer = infer(limited_port, "identity", iter([text, b" " * _LIMIT]))
    assert answer.status == 400
    assert "exceeds the maximum allowed input size" in answer.error


def test_json_that_grows_beyond_the_limit_is_refused(limited_port: int) -> None:
    body = {"inputs": [json_input([1] * 300, [1, 300], "FP32")]}
    text = json.dumps(body, separators=(",", ":"))
    assert len(text) <= _LIMIT < 300 * 4
    answer = infer(limited_port, "identity", text)
    assert answer.status == 400
    assert answer.error.startswith(
        "JSON input 'INPUT0' has a byte_size (1200 bytes) that exceeds the maximum allowed"
    )


def test_compressed_body_is_measured_unpacked(limited_port: int) -> None:
    for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        answer = infer(limited_port, "identity", pack(b" " * 1001), {"Content-Encoding": coding})
        assert answer.status == 400
        assert answer.error == (
            f"Decompressed data size exceeds the maximum allowed value of {_LIMIT} bytes. "
            "Use --http-max-input-size to increase the limit."
        )
        fitting = pack(json.dumps(_ONE).ljust(_LIMIT).encode())
        assert infer(limited_port, "identity", fitting, {"Content-Encoding": coding}).status == 200
