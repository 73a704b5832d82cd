"""Goal: /generate and /generate_stream answer plain JSON with plain JSON, over every front end.

Method: identity models return what the schema made of the JSON, so conversions show in the answers,
and what it may not make of it shows in the errors; raw requests, because no client library has
these routes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.http_connection import HttpConnection, request_bytes
from tests.conformance.model_files import (
    ALL_VERSIONS,
    execute_delay,
    identity_config,
    write_config,
    write_standard_repository,
)
from tests.conformance.raw_http import Answer, exchange, request
from tests.conformance.running_server import RunningServer, ServerOptions

_EVENTS = "text/event-stream; charset=utf-8"
_PROMPT = """
    backend: "identity"
    max_batch_size: 4
    input [
        { name: "INPUT0" data_type: TYPE_STRING dims: [ 1 ] },
        { name: "INPUT1" data_type: TYPE_BOOL dims: [ 1 ] }
    ]
    output [
        { name: "OUTPUT0" data_type: TYPE_STRING dims: [ 1 ] },
        { name: "OUTPUT1" data_type: TYPE_BOOL dims: [ 1 ] }
    ]
"""


@pytest.fixture(scope="module")
def server(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The standard models and some that only this extension needs."""
    repository: Path = tmp_path_factory.mktemp("models")
    write_standard_repository(repository)
    write_config(repository, "prompt", _PROMPT)
    write_config(repository, "slow", identity_config("INT32", extra=execute_delay(50)))
    write_config(repository, "two_dims", identity_config("INT32", "[ -1, 2, -1, 3 ]"))
    write_config(repository, "one", identity_config("INT32", "[ 1 ]"))
    write_config(repository, "counted", identity_config("FP64", extra=ALL_VERSIONS))
    with RunningServer(
        repository,
        ServerOptions(("--http-max-input-size=100000",), frontend=frontend),
    ) as running:
        yield running


def _post(
    server: RunningServer,
    model: str,
    body: Mapping[str, Any] | str,
    *,
    streaming: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    path = f"/v2/models/{model}/generate{'_stream' if streaming else ''}"
    return request(server.http_port, "POST", path, text, headers)


def _events(answer: Answer) -> list[Any]:
    """Return what the events of a streamed answer say; the form of each is checked."""
    assert answer.headers["content-type"] == _EVENTS
    *events, rest = answer.body.split(b"\n\n")
    assert rest == b""
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def test_answer_is_one_flat_object_in_this_order(server: RunningServer) -> None:
    body = {"id": "42", "INPUT0": "héllo", "INPUT1": True}
    answer = _post(server, "prompt", body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers
    assert list(answer.json.items()) == [
        ("id", "42"),
        ("model_name", "prompt"),
        ("model_version", "1"),
        ("param0", "an example string parameter"),
        ("param1", 42),
        ("param2", False),
        ("param3", 123.123),
        ("OUTPUT0", "héllo"),
        ("OUTPUT1", True),
    ]


def test_answer_without_an_id_has_none(server: RunningServer) -> None:
    assert "id" not in _post(server, "identity_int32", {"INPUT0": 1}).json


@pytest.mark.parametrize(
    ("model", "sent", "received"),
    [
        ("identity_bytes", "one", "one"),
        ("identity_bytes", ["one", "", "zwei\n"], ["one", "", "zwei\n"]),
        ("identity_bytes", [], []),
        ("identity_bool", [True, False], [True, False]),
        ("identity_uint8", [0, 255], [0, 255]),
        ("identity_uint64", 2**64 - 1, 2**64 - 1),
        ("identity_int64", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
        ("identity_int8", [-1, 300], [-1, 44]),
        ("identity_fp32", [0.1, 3, -1e-3], [0.1, 3.0, -1e-3]),
        ("identity_fp64", 0.1, 0.1),
        ("one", [7], 7),
    ],
)
def test_values_are_tensors_and_tensors_values(
    server: RunningServer, model: str, sent: Any, received: Any
) -> None:
    answer = _post(server, model, {"INPUT0": sent})
    assert (answer.status, answer.json.get("OUTPUT0")) == (200, received)


def test_not_a_number_and_infinities_are_bare_words(server: RunningServer) -> None:
    answer = _post(server, "identity_fp32", '{"INPUT0": [NaN, Infinity, -Infinity]}')
    assert answer.body.endswith(b'"OUTPUT0":[NaN,Infinity,-Infinity]}')


def test_shape_is_fitted_to_the_elements(server: RunningServer) -> None:
    assert _post(server, "unbatched", {"INPUT0": [1, 2, 3, 4, 5, 6]}).status == 200
    assert _post(server, "two_dims", {"INPUT0": list(range(12))}).status == 200
    assert _post(server, "fixed", {"INPUT0": [1, 2, 3, 4]}).status == 200
    for model, count in (("unbatched", 5), ("unbatched", 12), ("two_dims", 4), ("fixed", 3)):
        answer = _post(server, model, {"INPUT0": [1] * count})
        assert (answer.status, answer.error) == (
            400,
            "The schema can not convert input 'INPUT0' to tensor with proper shape",
        )


def test_members_of_parameters_count_like_keys_of_the_request(server: RunningServer) -> None:
    body = {"INPUT0": "a", "parameters": {"INPUT1": False, "id": "7", "temperature": 0.5}}
    answer = _post(server, "prompt", body)
    assert answer.json["OUTPUT1"] is False
    assert answer.json["id"] == "7"


def test_other_keys_are_parameters(server: RunningServer) -> None:
    others = {"b": True, "i": -3, "u": 2**64 - 1, "huge": 2**70, "f": 1.5, "s": "text"}
    assert _post(server, "identity_int32", {"INPUT0": 1, **others}).status == 200


_INVALID_PARAMETER = "has invalid type. It should be either 'int', 'bool', or 'string'."
_NON_STRING = "attempt to access JSON non-string as string"
_NON_BOOLEAN = "attempt to access JSON non-boolean as boolean"
_NON_UNSIGNED = "attempt to access JSON non-unsigned-integer as unsigned-integer"
_NON_SIGNED = "attempt to access JSON non-signed-integer as signed-integer"
_NON_NUMBER = "attempt to access JSON non-number as number"


@pytest.mark.parametrize(
    ("model", "body", "status", "text"),
    [
        ("identity_int32", '{"p": null}', 400, f"parameter 'p' {_INVALID_PARAMETER}"),
        ("identity_int32", '{"p": {"q": 1}}', 400, f"parameter 'p' {_INVALID_PARAMETER}"),
        ("identity_int32", '{"p": [1]}', 400, f"parameter 'p' {_INVALID_PARAMETER}"),
        (
            "identity_int32",
            '{"parameters": {"q": []}}',
            400,
            f"Converting keyword: 'parameters': parameter 'q' {_INVALID_PARAMETER}",
        ),
        (
            "identity_int32",
            '{"parameters": 1}',
            400,
            "Expected JSON object for keyword: 'parameters'",
        ),
        ("identity_int32", '{"id": 1}', 500, f"Unable to parse 'id': {_NON_STRING}"),
        ("prompt", '{"INPUT0": 123, "INPUT1": "false"}', 500, _NON_STRING),
        ("prompt", '{"INPUT1": "false", "INPUT0": 123}', 500, _NON_BOOLEAN),
        ("prompt", '{"INPUT1": 1}', 500, _NON_BOOLEAN),
        ("prompt", '{"INPUT0": {"a": "b"}}', 500, _NON_STRING),
        ("prompt", '{"INPUT0": [["a"]]}', 500, _NON_STRING),
        ("prompt", '{"INPUT0": null}', 500, _NON_STRING),
        ("identity_uint8", '{"INPUT0": -1}', 500, _NON_UNSIGNED),
        ("identity_uint8", '{"INPUT0": 1.0}', 500, _NON_UNSIGNED),
        ("identity_uint64", '{"INPUT0": 18446744073709551616}', 500, _NON_UNSIGNED),
        ("identity_int8", '{"INPUT0": true}', 500, _NON_SIGNED),
        ("identity_int64", '{"INPUT0": 9223372036854775808}', 500, _NON_SIGNED),
        ("identity_fp32", '{"INPUT0": "1"}', 500, _NON_NUMBER),
        ("identity_fp32", '{"INPUT0": [true]}', 500, _NON_NUMBER),
        (
            "identity_fp16",
            '{"INPUT0": 1}',
            400,
            "input 'INPUT0' has unsupported datatype 'FP16': receiving FP16 data via JSON is not "
            "supported. Please use the binary data format for input INPUT0",
        ),
        (
            "prompt",
            '{"INPUT0": "a", "INPUT1": true, "INPUT0": "b"}',
            400,
            "input 'INPUT0' already exists in request",
        ),
        (
            "prompt",
            '{"INPUT0": "a", "parameters": {"INPUT0": "b"}}',
            400,
            "Converting keyword: 'parameters': input 'INPUT0' already exists in request",
        ),
        (
            "prompt",
            '{"INPUT0": "a", "other": 1}',
            400,
            "[request id: <id_unknown>] expected 2 inputs but got 1 inputs for model 'prompt'. Got "
            "input(s) ['INPUT0'], but missing required input(s) ['INPUT1']. Please provide all "
            "required input(s).",
        ),
        ("unknown", "{}", 404, "Request for unknown model: 'unknown' is not found"),
        (
            "counted/versions/9",
            "{}",
            404,
            "Request for unknown model: 'counted' version 9 is not found",
        ),
        (
            "identity_int32",
            "",
            500,
            "failed to parse the request JSON buffer: The document is empty. at 0",
        ),
        ("identity_int32", "[]", 400, "the request must be a JSON object"),
        (
            "identity_int32",
            '{"INPUT0": ' + "[" * 101 + "]" * 101 + "}",
            400,
            "JSON nesting depth exceeds maximum allowed limit (100)",
        ),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_error_before_inference_is_plain_json(
    server: RunningServer, model: str, body: str, status: int, text: str, streaming: bool
) -> None:
    answer = _post(server, model, body, streaming=streaming)
    assert (answer.status, answer.error) == (status, text)
    assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_coded_request_is_refused(server: RunningServer, coding: str) -> None:
    headers = {"Content-Encoding": coding}
    answer = _post(server, "identity_int32", {"INPUT0": 1}, headers=headers)
    assert (answer.status, answer.error) == (
        400,
        "Unsupported content-encoding, only 'identity' is supported.",
    )
    headers = {"Content-Encoding": "identity"}
    assert _post(server, "identity_int32", {"INPUT0": 1}, headers=headers).status == 200


def test_answer_is_never_coded(server: RunningServer) -> None:
    headers = {"Accept-Encoding": "gzip"}
    for streaming in (False, True):
        answer = _post(
            server, "identity_int32", {"INPUT0": 1}, headers=headers, streaming=streaming
        )
        assert "content-encoding" not in answer.headers


def test_tensors_larger_than_the_bound_are_refused(server: RunningServer) -> None:
    advice = "Use --http-max-input-size to increase the limit."
    answer = _post(server, "identity_int64", {"INPUT0": [1] * 12501})
    assert (answer.status, answer.error) == (
        400,
        "request size of 100008 bytes with input 'INPUT0' of size 100008 bytes exceeds the maximum "
        f"allowed input size of 100000. {advice}",
    )
    assert _post(server, "identity_int64", {"INPUT0": [1] * 12500}).status == 200
    answer = _post(server, "identity_int64", "{" + " " * 100_000 + "}")
    assert (answer.status, answer.error) == (
        400,
        "request JSON size of 100002 bytes exceeds the maximum allowed input size of 100000 bytes. "
        f"{advice}",
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("route", ["generate", "generate_stream"])
def test_other_verbs_are_not_allowed(server: RunningServer, method: str, route: str) -> None:
    for path in (f"/v2/models/m/{route}", f"/v2/models/m/versions/1/{route}"):
        answer = request(server.http_port, method, path)
        assert answer.status == 405
        expected = b"" if method == "HEAD" else b'{"error":"Method Not Allowed"}'
        assert answer.body == expected


@pytest.mark.parametrize(
    "path", ["m/generates", "m/versions/x/generate", "m/generate/", "/generate"]
)
def test_paths_like_these_are_unknown(server: RunningServer, path: str) -> None:
    assert request(server.http_port, "POST", f"/v2/models/{path}", "{}").status == 404


def test_version_in_the_path_is_that_which_answers(server: RunningServer) -> None:
    for version in (1, 3):
        answer = _post(server, f"versions/versions/{version}", {"INPUT0": 1})
        assert answer.json["model_version"] == str(version)
    assert _post(server, "versions", {"INPUT0": 1}).json["model_version"] == "3"


def test_model_with_one_response_streams_one_event(server: RunningServer) -> None:
    answer = _post(server, "identity_bytes", {"id": "x", "INPUT0": "a\nb"}, streaming=True)
    assert answer.status == 200
    (event,) = _events(answer)
    assert event.items() >= {"id": "x", "model_name": "identity_bytes", "OUTPUT0": "a\nb"}.items()


def test_keep_alive_connection_goes_on_after_either_route(server: RunningServer) -> None:
    body = b'{"INPUT0":5}'
    with HttpConnection(server.http_port) as connection:
        for route in ("generate", "generate_stream", "generate", "infer", "generate_stream"):
            connection.send(request_bytes("POST", f"/v2/models/one/{route}", body))
            answer = connection.answer()
            assert answer.status == (500 if route == "infer" else 200)


def test_http_1_0_client_gets_its_answer(server: RunningServer) -> None:
    sent = b'POST /v2/models/one/generate HTTP/1.0\r\nContent-Length: 12\r\n\r\n{"INPUT0":5}'
    head, _, body = exchange(server.http_port, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b'"OUTPUT0":5' in body


def test_many_at_once_get_their_own_answers(server: RunningServer) -> None:
    def one(number: int) -> Any:
        streaming = number % 2 == 0
        answer = _post(server, "slow", {"INPUT0": number}, streaming=streaming)
        return (_events(answer) if streaming else [answer.json])[0]["OUTPUT0"]

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(one, range(50))) == list(range(50))


def test_extension_is_not_claimed(server: RunningServer) -> None:
    assert "generate" not in request(server.http_port, "GET", "/v2").json["extensions"]
