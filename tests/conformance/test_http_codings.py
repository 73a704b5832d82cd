"""Goal: bodies may be compressed both ways, and no way around the limit of a body exists.

Method: Triton's client with its own compression, and bodies of exactly the limit and one byte more
in every framing and coding.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conformance.clients import HttpClient
from tests.conformance.http_connection import HttpConnection, chunked, request_bytes
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.raw_http import Answer, json_input
from tests.conformance.running_server import RunningServer, ServerOptions

_LIMIT = 100_000
_INFER = "/v2/models/identity/infer"
_CODINGS: dict[str | None, Callable[[bytes], bytes]] = {
    None: lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("size", [1, 100_000])
def test_client_may_compress_both_ways(
    server: RunningServer, request_coding: str | None, response_coding: str | None, size: int
) -> None:
    sent = np.arange(size, dtype=np.float32).reshape(1, size)
    with HttpClient(server.http_address) as client:
        result = client.infer(
            "identity_fp32",
            {"INPUT0": sent},
            request_compression_algorithm=request_coding,
            response_compression_algorithm=response_coding,
        )
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), sent)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_control_requests_may_be_compressed(server: RunningServer, coding: str) -> None:
    body = _CODINGS[coding](b'{"ready": true}')
    with HttpConnection(server.http_port) as connection:
        connection.send(
            request_bytes("POST", "/v2/repository/index", body, {"Content-Encoding": coding})
        )
        answer = connection.answer()
    assert answer.status == 200
    assert {model["state"] for model in answer.json} == {"READY"}


def test_name_of_a_coding_may_be_spelled_in_any_case(server: RunningServer) -> None:
    body = gzip.compress(json.dumps({"inputs": [json_input([1, 2])]}).encode())
    headers = {"content-encoding": " GZip ", "ACCEPT-encoding": "DEFLATE"}
    with HttpConnection(server.http_port) as connection:
        connection.send(request_bytes("POST", "/v2/models/identity_fp32/infer", body, headers))
        answer = connection.answer()
    assert answer.headers["content-encoding"] == "deflate"
    assert json.loads(zlib.decompress(answer.body))["outputs"][0]["data"] == [1.0, 2.0]


@pytest.fixture(scope="module")
def limited_port(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The HTTP port of a server with a small limit."""
    repository: Path = tmp_path_factory.mktemp("limit")
    write_config(repository, "identity", identity_config("FP32"))
    options = ServerOptions(["--http-max-input-size", str(_LIMIT)], frontend=frontend)
    with RunningServer(repository, options) as server:
        yield server.http_port


def _send(port: int, path: str, body: bytes, *, coding: str | None, in_chunks: bool) -> Answer:
    packed = _CODINGS[coding](body)
    headers = {"Content-Encoding": coding} if coding else {}
    if not in_chunks:
        sent = request_bytes("POST", path, packed, headers)
    else:
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{''.join(lines)}"
        pieces = [packed[at : at + 999] for at in range(0, len(packed), 999)]
        sent = head.encode() + b"\r\n" + chunked(pieces)
    with HttpConnection(port) as connection:
        connection.send(sent)
        return connection.answer()


@pytest.mark.parametrize("coding", _CODINGS)
@pytest.mark.parametrize("in_chunks", [False, True])
def test_body_of_the_limit_passes_and_one_byte_more_does_not(
    limited_port: int, coding: str | None, in_chunks: bool
) -> None:
    for path, text in ((_INFER, _request_text()), ("/v2/repository/index", b"{}")):
        framing: dict[str, Any] = {"coding": coding, "in_chunks": in_chunks}
        assert _send(limited_port, path, text.ljust(_LIMIT), **framing).status == 200
        refused = _send(limited_port, path, text.ljust(_LIMIT + 1), **framing)
        assert refused.status == 400
        assert f"of {_LIMIT} bytes. Use --http-max-input-size to increase" in refused.error
        assert _send(limited_port, path, text, **framing).status == 200


def test_compressed_body_may_not_be_larger_than_the_limit_either(limited_port: int) -> None:
    noise = np.random.default_rng(1).bytes(_LIMIT)
    packed = zlib.compress(noise)
    assert len(packed) > _LIMIT
    headers = {"Content-Encoding": "deflate"}
    with HttpConnection(limited_port) as connection:
        connection.send(request_bytes("POST", _INFER, packed, headers))
        answer = connection.answer()
    assert answer.status == 400
    assert f"of {_LIMIT} bytes. Use --http-max-input-size to increase" in answer.error


def test_body_that_only_claims_to_be_too_large_is_refused_at_once(limited_port: int) -> None:
    head = f"POST {_INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {2**63}\r\n\r\n"
    with HttpConnection(limited_port) as connection:
        connection.send(head.encode() + _request_text())
        answer = connection.answer()
    assert answer.status == 400
    assert f"size of {2**63} bytes exceeds the maximum allowed input size" in answer.error


def test_client_that_asks_to_send_too_much_is_told_no(limited_port: int) -> None:
    head = (
        f"POST {_INFER} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        f"Content-Length: {_LIMIT + 1}\r\n\r\n"
    )
    with HttpConnection(limited_port) as connection:
        connection.send(head.encode())
        answer = connection.answer()
        if answer.status == 100:
            connection.send(b" " * (_LIMIT + 1))
            answer = connection.answer()
    assert answer.status == 400


def _request_text() -> bytes:
    return json.dumps({"inputs": [json_input([1, 2])]}).encode()
