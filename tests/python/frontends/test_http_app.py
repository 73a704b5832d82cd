"""Goal: the inference path routes, answers and bounds what it is sent, without a socket.

Method: the application called as an ASGI server would, over a scripted inference.
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from tests.python.api.fakes import FakeCore, FakeRepository, log_settings, served
from tritonpy.api import V2Service
from tritonpy.core import JsonAnswer, Log
from tritonpy.errors import CancelledError, ErrorCode, NotFoundError, TritonError, error_of
from tritonpy.frontends.http.app import HttpApp, InferTarget, JsonInference, infer_target
from tritonpy.frontends.http.control import control_app
from tritonpy.frontends.http.request_body import json_length_of, read_body
from tritonpy.frontends.http.status import STATUS_OF_CODE


class _ScriptedInference:
    """Answers with one thing, and keeps what it was asked."""

    def __init__(self, answer: JsonAnswer | Exception) -> None:
        self._answer = answer
        self.asked: list[tuple[str, int, bytes, int | None, int]] = []

    async def infer_json(
        self,
        model: str,
        version: int,
        body: bytes,
        json_length: int | None,
        max_input_size: int,
        _headers: object,
    ) -> JsonAnswer:
        self.asked.append((model, version, body, json_length, max_input_size))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def _pieces(*chunks: bytes, then_leaves: bool = False) -> Any:
    """Return an ASGI receive that gives a body in pieces."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": then_leaves or index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ] + [{"type": "http.disconnect"}]
    remaining = iter(messages)

    async def receive() -> Any:
        return next(remaining)

    return receive


class _EndlessInference:
    """Never answers."""

    async def infer_json(self, *_: object) -> JsonAnswer:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("never")


class _UnknownModels:
    """Knows no model, and keeps nothing."""

    async def infer_json(self, *_: object) -> JsonAnswer:
        raise NotFoundError("unknown")


def _app(inference: JsonInference, repository: FakeRepository) -> HttpApp:
    service = V2Service(
        repository,
        FakeCore(),
        log_settings,
        server_name="",
        server_version="",
        strict_readiness=True,
    )
    log = Log()
    return HttpApp(service, inference, control_app(service, log, 100, None), log, 100)


async def _call(
    inference: JsonInference,
    path: bytes,
    body: bytes = b"{}",
    headers: Sequence[tuple[bytes, bytes]] = (),
    method: str = "POST",
) -> tuple[int, dict[bytes, bytes], bytes]:
    app = _app(inference, FakeRepository(served()))
    return await _call_app(app, path, body, headers, method)


async def _call_app(
    app: HttpApp,
    path: bytes,
    body: bytes = b"{}",
    headers: Sequence[tuple[bytes, bytes]] = (),
    method: str = "POST",
) -> tuple[int, dict[bytes, bytes], bytes]:
    scope = {
        "type": "http",
        "method": method,
        "raw_path": path,
        "path": path.decode(),
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, _pieces(body), send)
    start, *bodies = sent
    payload = b"".join(message.get("body", b"") for message in bodies)
    return start["status"], dict(start["headers"]), payload


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"/v2/models/m/infer", InferTarget("m", "")),
        (b"/v2/models/m/versions/12/infer", InferTarget("m", "12")),
        (b"/v2/models/a%2Fb/infer", InferTarget("a%2Fb", "")),
        (b"/v2/models/versions/infer", InferTarget("versions", "")),
        (b"/v2/models/infer/infer", InferTarget("infer", "")),
        (b"/v2/models//infer", None),
        (b"/v2/models/a/b/infer", None),
        (b"/v2/models/m/versions//infer", None),
        (b"/v2/models/m/versions/x/infer", InferTarget("m", "x", names_label=True)),
        (b"/v2/models/m/versions/1x/infer", None),
        (b"/v2/models/m/infer/", None),
        (b"/v2/models/m/infer\n", None),
        (b"/v2/models/m", None),
        (b"/x/v2/models/m/infer", None),
        (b"", None),
    ],
)
def test_inference_paths_are_told_from_others(path: bytes, target: InferTarget | None) -> None:
    assert infer_target(path) == target


async def test_json_answer_is_sent_as_json() -> None:
    inference = _ScriptedInference(JsonAnswer(b'{"a":1}', None))
    status, headers, body = await _call(inference, b"/v2/models/m/versions/3/infer", b"[1]")
    assert (status, body) == (200, b'{"a":1}')
    assert headers == {b"content-type": b"application/json", b"content-length": b"7"}
    assert inference.asked == [("m", 3, b"[1]", None, 100)]


async def test_binary_answer_says_where_its_json_ends() -> None:
    inference = _ScriptedInference(JsonAnswer(b"{}\0\1", 2))
    length = [(b"inference-header-content-length", b"2")]
    status, headers, body = await _call(inference, b"/v2/models/m/infer", b"{}ab", length)
    assert (status, body) == (200, b"{}\0\1")
    assert headers[b"content-type"] == b"application/octet-stream"
    assert headers[b"inference-header-content-length"] == b"2"
    assert inference.asked == [("m", -1, b"{}ab", 2, 100)]


@pytest.mark.parametrize("code", list(ErrorCode))
async def test_error_has_the_status_of_its_code(code: ErrorCode) -> None:
    inference = _ScriptedInference(error_of(code, 'say "no"'))
    status, headers, body = await _call(inference, b"/v2/models/m/infer")
    assert status == STATUS_OF_CODE[code]
    assert headers[b"content-type"] == b"application/json"
    assert headers.get(b"retry-after") == (b"1" if status == 503 else None)
    assert json.loads(body) == {"error": 'say "no"'}


async def test_bug_is_an_internal_error_and_no_dead_connection() -> None:
    inference = _ScriptedInference(ValueError("oops"))
    status, _, body = await _call(inference, b"/v2/models/m/infer")
    assert status == 500
    assert json.loads(body)["error"] == "internal error: ValueError: oops"


_LOAD = b"/v2/repository/models/model/load"


@pytest.mark.parametrize("path", [b"/v2/models/m/infer", _LOAD])
async def test_request_that_the_exit_cuts_off_is_told_so(path: bytes) -> None:
    repository = FakeRepository(served())
    call = asyncio.ensure_future(_call_app(_app(_EndlessInference(), repository), path))
    await _settle()
    repository.is_exiting = True
    call.cancel()
    status, headers, body = await call
    assert (status, json.loads(body)) == (503, {"error": "Server exiting"})
    assert headers[b"retry-after"] == b"1"


@pytest.mark.parametrize("path", [b"/v2/models/m/infer", _LOAD])
async def test_request_whose_client_leaves_stays_cancelled(path: bytes) -> None:
    app = _app(_EndlessInference(), FakeRepository(served()))
    call = asyncio.ensure_future(_call_app(app, path))
    await _settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def _settle() -> None:
    """Let everything run that can."""
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("paths", "name_size"), [(5_000, 200), (100, 60_000)])
async def test_made_up_paths_do_not_pin_memory(paths: int, name_size: int) -> None:
    app = _app(_UnknownModels(), FakeRepository(served()))
    names = (str(number).encode().rjust(name_size, b"x") for number in range(paths))
    await _call_app(app, b"/v2/models/model/infer")
    tracemalloc.start()
    try:
        for name in names:
            assert (await _call_app(app, b"/v2/models/" + name + b"/infer"))[0] == 404
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3 * 2**20


@pytest.mark.parametrize("path", [b"/v2/models/m/infer", b"/v2/repository/index"])
async def test_unknown_coding_is_refused_with_those_known(path: bytes) -> None:
    inference = _ScriptedInference(JsonAnswer(b"", None))
    status, headers, body = await _call(inference, path, headers=[(b"content-encoding", b"br")])
    assert (status, json.loads(body)) == (501, {"error": "Unsupported compression type"})
    assert headers[b"accept-encoding"] == b"gzip, deflate"


async def test_other_verbs_are_not_allowed() -> None:
    inference = _ScriptedInference(JsonAnswer(b"", None))
    status, _, body = await _call(inference, b"/v2/models/m/infer", method="GET")
    assert (status, json.loads(body)) == (405, {"error": "Method Not Allowed"})
    assert inference.asked == []


async def test_other_paths_go_to_the_control_plane() -> None:
    inference = _ScriptedInference(JsonAnswer(b"", None))
    status, _, body = await _call(inference, b"/v2/models/model", method="GET")
    assert (status, json.loads(body)["name"]) == (200, "model")


@pytest.mark.parametrize("pieces", [(b"abcdef",), (b"abc", b"", b"def"), (b"", b"abcdef", b"")])
async def test_body_in_pieces_is_whole(pieces: tuple[bytes, ...]) -> None:
    assert await read_body({}, _pieces(*pieces), {}, 6) == b"abcdef"


@pytest.mark.parametrize("pieces", [(b"abcdef",), (b"abc", b"def")])
async def test_body_beyond_the_limit_is_refused(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(TritonError) as error:
        await read_body({}, _pieces(*pieces), {}, 5)
    assert error.value.message == (
        "request JSON size of 6 bytes exceeds the maximum allowed input size of 5 bytes. "
        "Use --http-max-input-size to increase the limit."
    )


async def test_declared_size_is_enough_to_refuse() -> None:
    headers = {b"content-length": b"600", b"inference-header-content-length": b"0"}
    with pytest.raises(TritonError) as error:
        await read_body({}, _pieces(b"a", b"b"), headers, 5)
    assert error.value.message.startswith("Raw input has a byte_size (600 bytes) that exceeds")


async def test_client_that_leaves_early_is_noticed() -> None:
    with pytest.raises(CancelledError):
        await read_body({}, _pieces(b"abc", then_leaves=True), {}, 100)


@pytest.mark.parametrize(
    ("header", "length"),
    [(None, None), (b"0", 0), (b"17", 17), (b"+5", 5), (b"-3", -3), (b"2147483647", 2**31 - 1)],
)
def test_json_length_is_read(header: bytes | None, length: int | None) -> None:
    headers = {} if header is None else {b"inference-header-content-length": header}
    assert json_length_of(headers) == length


@pytest.mark.parametrize(
    "header", [b"", b" ", b"x", b"1.5", b"0x10", b"2147483648", b"-2147483649", b"9" * 500, b"\xb2"]
)
def test_json_length_that_is_none_is_refused(header: bytes) -> None:
    with pytest.raises(TritonError, match=r"^Unable to parse Inference-Header-Content-Length, "):
        json_length_of({b"inference-header-content-length": header})
