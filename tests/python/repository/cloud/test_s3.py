"""Goal: what an S3 may do to a mirror, short of lying, never makes half a model, nor a long wait.

Method: a real S3 server on loopback that counts requests, holds them, cuts answers off and goes
away; mirrors of prefixes of its bucket, without a server.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.s3_server import CREDENTIALS, S3Server
from tests.python.repository.fake_core import RecordingLog
from tritonpy.errors import TritonError
from tritonpy.repository.cloud import Mirrors
from tritonpy.repository.cloud.patience import Patience
from tritonpy.repository.cloud.remote_tree import RemoteFile, RemoteTree, open_remote_tree

_GUARD_S = 120  # how long a hung mirror may keep a test from failing


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    """The store of this module."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(running: S3Server) -> Iterator[S3Server]:
    """The store, with nothing remembered and nothing wrong."""
    running.take_requests()
    yield running
    running.on_get = lambda key: None
    running.cuts = 0


def _tree(s3: S3Server, prefix: str, attempts: int = 2) -> RemoteTree:
    return open_remote_tree(s3.url(prefix), CREDENTIALS, Patience(attempts=attempts))


def _mirrored(tree: RemoteTree, *, cache: Path | None = None) -> Mirrors:
    mirrors = Mirrors(RecordingLog(), cache=cache, look_before_fetch=True)
    mirrors.add(tree)
    return mirrors


def _contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_many_objects_come_page_by_page_and_eight_at_once(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    names = [f"{number:02}" for number in range(35)]
    for name in names:
        s3.put(f"many/m/1/{name}", name.encode())
    together = threading.Barrier(8)
    waiting = iter(range(8))
    lock = threading.Lock()
    at_once: list[int] = [0, 0]

    def hold(key: str) -> None:
        with lock:
            is_first = next(waiting, None) is not None
            at_once[0] += 1
            at_once[1] = max(at_once)
        if is_first:
            together.wait(_GUARD_S)
        with lock:
            at_once[0] -= 1

    s3.on_get = hold
    mirrors = _mirrored(_tree(s3, "many"))
    assert len(s3.take_requests("GET /models?list-type=2")) == 4
    mirrors.fetch("m")
    (directory,) = mirrors.directories
    assert _contents(directory / "m") == {f"1/{name}": name.encode() for name in names}
    assert at_once[1] == 8
    mirrors.close()


def test_whatever_an_object_is_called(s3: S3Server) -> None:
    names = ["with space", "ünïcødé", "plus+percent%41", "hash#query?a=b&c", "'quoted\"", "a" * 200]
    s3.put("odd/", b"")
    s3.put("odd/beside the models", b"")
    for name in names:
        s3.put(f"odd/{name}/1/{name}", name.encode())
        s3.put(f"odd/{name}/1/empty", b"")
        s3.put(f"odd/{name}/2/", b"")
    mirrors = _mirrored(_tree(s3, "odd"))
    (directory,) = mirrors.directories
    assert {path.name for path in directory.iterdir() if path.is_symlink()} == set(names)
    for name in names:
        mirrors.fetch(name)
        assert _contents(directory / name) == {f"1/{name}": name.encode(), "1/empty": b""}
        assert (directory / name / "2").is_dir()
    mirrors.close()


def test_names_that_no_directory_can_have_are_no_models(s3: S3Server) -> None:
    s3.put(f"unnameable/{'ü' * 200}/1/x", b"x")
    s3.put("unnameable/.hidden/1/x", b"x")
    s3.put("unnameable/m/1/x", b"x")
    mirrors = _mirrored(_tree(s3, "unnameable"))
    (directory,) = mirrors.directories
    assert [path.name for path in directory.iterdir() if path.is_symlink()] == ["m"]
    mirrors.close()


def test_only_what_changed_is_asked_for(s3: S3Server, tmp_path: Path) -> None:
    s3.put("again/m/1/a", b"a")
    s3.put("again/m/1/b", b"b")
    mirrors = _mirrored(_tree(s3, "again"), cache=tmp_path)
    mirrors.fetch("m")
    assert len(s3.take_requests()) == 2
    s3.put("again/m/1/b", b"B")
    mirrors.fetch("m")
    mirrors.fetch("m")
    assert s3.take_requests() == ["GET /models/again/m/1/b"]
    mirrors.close()
    after = _mirrored(_tree(s3, "again"), cache=tmp_path)
    after.fetch("m")
    assert s3.take_requests() == []
    after.close()


def test_an_answer_that_is_cut_off_is_gone_on_with(s3: S3Server) -> None:
    content = bytes(range(256)) * 4096
    s3.put("cut/m/1/weights", content)
    s3.cuts = 1
    mirrors = _mirrored(_tree(s3, "cut"))
    mirrors.fetch("m")
    (directory,) = mirrors.directories
    assert (directory / "m" / "1" / "weights").read_bytes() == content
    assert len(s3.take_requests()) == 2
    mirrors.close()


def test_an_answer_that_is_always_cut_off_leaves_the_old_model(s3: S3Server) -> None:
    s3.put("always_cut/m/1/weights", b"old")
    mirrors = _mirrored(_tree(s3, "always_cut"))
    mirrors.fetch("m")
    s3.put("always_cut/m/1/weights", b"new and longer")
    s3.cuts = 100
    with pytest.raises(TritonError) as error:
        mirrors.fetch("m")
    url = s3.url("always_cut/m/1/weights")
    assert error.value.message.startswith(f"failed to fetch '{url}': ")
    (directory,) = mirrors.directories
    assert _contents(directory / "m") == {"1/weights": b"old"}
    mirrors.close()


@pytest.mark.parametrize("what", ["vanishes", "changes"])
def test_an_object_that_goes_as_it_is_fetched_is_no_model(s3: S3Server, what: str) -> None:
    prefix = f"{what}/m"
    s3.put(f"{prefix}/1/a", b"a")
    s3.put(f"{prefix}/1/b", b"b")

    def meddle(key: str) -> None:
        s3.on_get = lambda key: None
        s3.remove(f"{prefix}/1/") if what == "vanishes" else s3.put(f"{prefix}/1/c", b"c")

    s3.on_get = meddle
    mirrors = _mirrored(_tree(s3, what))
    with pytest.raises(TritonError) as error:
        mirrors.fetch("m")
    messages = {
        "vanishes": f"failed to fetch '{s3.url(prefix)}/1/",
        "changes": f"'{s3.url(prefix)}' changed while it was fetched",
    }
    assert error.value.message.startswith(messages[what])
    (directory,) = mirrors.directories
    assert list((directory / "m").iterdir()) == []
    mirrors.close()


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        url = f"s3://{host}/models/any"
        tree = open_remote_tree(url, CREDENTIALS, Patience(timeout_s=0.2, attempts=2))
        with pytest.raises(TritonError) as error:
            _mirrored(tree)
        assert "Read timeout on endpoint URL" in error.value.message
        assert error.value.message.endswith(f"(model repository '{url}')")
        silent.setblocking(False)
        for _ in range(4):
            silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_who_is_refused_learns_where_and_no_secret() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"s3://127.0.0.1:{nobody.getsockname()[1]}/models/any"
        secrets = {
            "AWS_ACCESS_KEY_ID": "K-of-mine",
            "AWS_SECRET_ACCESS_KEY": "S-of-mine",
            "AWS_SESSION_TOKEN": "T-of-mine",
        }
        with pytest.raises(TritonError) as error:
            _mirrored(open_remote_tree(url, secrets, Patience(attempts=1)))
    assert error.value.message.startswith(
        "Unable to create S3 filesystem client. Check account credentials. Exception: "
        "'EndpointConnectionError' Message: 'Could not connect to the endpoint URL"
    )
    assert error.value.message.endswith(f"(model repository '{url}')")
    assert "of-mine" not in error.value.message


def test_what_a_listing_says_of_an_object(s3: S3Server) -> None:
    s3.put("listed/m/1/a", b"abc")
    (file,) = _tree(s3, "listed").models()["m"]
    assert file == RemoteFile("1/a", 3, '"900150983cd24fb0d6963f7d28e17f72"')
