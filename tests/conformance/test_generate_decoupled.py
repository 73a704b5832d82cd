"""Goal: the generate routes carry every response of a decoupled model, and no more than is read.

Method: a model that does what each request says, so that nothing depends on time: what must have
happened first is waited for by another request to the same model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.http_connection import HttpConnection, request_bytes
from tests.conformance.raw_http import Answer, request
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.scripted_model import NAME, write_scripted_model

_NOT_ONE = (
    "generate expects model to produce exactly 1 response, use generate stream for model that "
    "generates various number of responses"
)


@pytest.fixture(scope="module")
def server(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the scripted model."""
    repository: Path = tmp_path_factory.mktemp("models")
    write_scripted_model(repository)
    with RunningServer(repository, ServerOptions(frontend=frontend)) as running:
        yield running


def _path(*, streaming: bool) -> str:
    return f"/v2/models/{NAME}/generate{'_stream' if streaming else ''}"


def _body(*script: str) -> bytes:
    return json.dumps({"SCRIPT": script, "id": "7"}).encode()


def _generate(server: RunningServer, *script: str) -> Answer:
    return request(server.http_port, "POST", _path(streaming=False), _body(*script))


def _stream(server: RunningServer, *script: str) -> tuple[int, list[str]]:
    """Return the status and what the events say, errors behind an exclamation mark."""
    answer = request(server.http_port, "POST", _path(streaming=True), _body(*script))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    return answer.status, _said(answer.body)


def _said(events: bytes) -> list[str]:
    *whole, rest = events.split(b"\n\n")
    assert rest == b""
    values = [json.loads(event.removeprefix(b"data: ")) for event in whole]
    return [value["TEXT"] if "TEXT" in value else f"!{value['error']}" for value in values]


def _await_cancelled(server: RunningServer) -> None:
    """Return when the model has seen that a request of it was cancelled."""
    assert _stream(server, "await_cancelled") == (200, [])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ((), []),
        (("say:a",), ["a"]),
        (("last:a",), ["a"]),
        (("say:a", "say:b", "say:c"), ["a", "b", "c"]),
        (("say:a", "last:b"), ["a", "b"]),
        (("say:a", "fail:no", "say:b"), ["a", "!no", "b"]),
    ],
)
def test_stream_has_an_event_for_every_response(
    server: RunningServer, script: tuple[str, ...], said: list[str]
) -> None:
    assert _stream(server, *script) == (200, said)


def test_error_that_comes_first_gives_its_status_to_the_stream(server: RunningServer) -> None:
    assert _stream(server, "fail:no", "say:a") == (500, ["!no", "a"])


@pytest.mark.parametrize("script", [("say:a",), ("last:a",)])
def test_generate_takes_one_response_however_it_ends(
    server: RunningServer, script: tuple[str, ...]
) -> None:
    answer = _generate(server, *script)
    assert answer.status == 200
    assert answer.json == {"id": "7", "model_name": NAME, "model_version": "1", "TEXT": "a"}


@pytest.mark.parametrize(
    ("script", "status"),
    [((), 200), (("say:a", "say:b"), 200), (("say:a", "fail:b"), 200), (("fail:a", "say:b"), 500)],
)
def test_generate_of_none_or_many_is_an_error(
    server: RunningServer, script: tuple[str, ...], status: int
) -> None:
    answer = _generate(server, *script)
    assert (answer.status, answer.error) == (status, _NOT_ONE)


def test_generate_of_an_error_has_its_status(server: RunningServer) -> None:
    answer = _generate(server, "fail:no")
    assert (answer.status, answer.error) == (500, "no")


def test_infer_refuses_a_decoupled_model(server: RunningServer) -> None:
    answer = request(server.http_port, "POST", f"/v2/models/{NAME}/infer", _body())
    assert (answer.status, answer.error) == (
        501,
        "HTTP end point doesn't support models with decoupled transaction policy",
    )


class _Reader(HttpConnection):
    """A client that reads an answer chunk by chunk."""

    def __enter__(self) -> _Reader:
        return self

    def head(self) -> int:
        """Return the status, with the head of the answer read."""
        return int(self._through(b"\r\n\r\n").split(b" ")[1])

    def chunk(self) -> bytes:
        """Return the next chunk, empty for the end of the answer."""
        chunk = self._take(int(self._through(b"\r\n"), 16))
        assert self._through(b"\r\n") == b"\r\n"
        return chunk


def _open(server: RunningServer, *script: str, streaming: bool = True) -> _Reader:
    connection = _Reader(server.http_port)
    connection.send(request_bytes("POST", _path(streaming=streaming), _body(*script)))
    return connection


def test_event_is_sent_while_the_model_still_works(server: RunningServer) -> None:
    with _open(server, "say:a", "hold", "say:b") as connection:
        assert connection.head() == 200
        assert _said(connection.chunk()) == ["a"]
        assert _stream(server, "release") == (200, [])
        assert _said(connection.chunk()) == ["b"]
        assert connection.chunk() == b""


def test_client_that_leaves_mid_stream_cancels_its_request(server: RunningServer) -> None:
    with _open(server, "say:a", "until_cancelled") as connection:
        assert connection.head() == 200
        assert _said(connection.chunk()) == ["a"]
    _await_cancelled(server)
    assert _stream(server, "say:a") == (200, ["a"])


@pytest.mark.parametrize("streaming", [True, False])
def test_client_that_leaves_before_any_answer_cancels_its_request(
    server: RunningServer, streaming: bool
) -> None:
    with _open(server, "release", "until_cancelled", streaming=streaming):
        assert _stream(server, "hold") == (200, [])  # so the model has the request
    _await_cancelled(server)


def test_generate_does_not_wait_for_an_endless_model(server: RunningServer) -> None:
    assert _generate(server, "flood:10").error == _NOT_ONE
    _await_cancelled(server)


def test_slow_reader_holds_its_model_back_and_loses_nothing(server: RunningServer) -> None:
    size, enough = 64 * 1024, 96 * 2**20  # beyond the bound where clients are cut off
    with _open(server, f"flood:{size}") as connection:
        assert _stream(server, "await_held_back") == (200, [])  # by a client that reads nothing
        assert connection.head() == 200
        answers: list[str] = []
        while len(answers) < enough // size:
            answers += _said(connection.chunk())
    assert {len(answer) for answer in answers} == {size}
    _await_cancelled(server)


def test_many_streams_at_once_get_their_own_events(server: RunningServer) -> None:
    def one(number: int) -> Any:
        if number % 2:
            return _generate(server, f"say:{number}").json["TEXT"]
        return _stream(server, *[f"say:{number}.{part}" for part in range(5)])

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(one, range(100)))
    for number, answer in enumerate(answers):
        expected = (200, [f"{number}.{part}" for part in range(5)])
        assert answer == (str(number) if number % 2 else expected)
