"""Goal: a mirror shows whole models only, and fetches what changed and nothing else.

Method: a remote repository in fsspec's memory, whose reads a test counts, breaks and joins in.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tests.python.repository.fake_core import FakeCore, RecordingLog
from tests.python.repository.model_tree import IDENTITY
from tritonpy.errors import InternalError, TritonError
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository import ModelRepository
from tritonpy.repository.cloud import Mirrors
from tritonpy.repository.cloud.remote_tree import RemoteFile, RemoteTree
from tritonpy.repository.cloud.url import CloudUrl


class Remote(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Objects in memory of this test alone."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]
        self.fetched: list[str] = []
        self.on_fetch: Callable[[str], None] = lambda path: None
        self.refuses: Exception | None = None

    def find(self, path: str, **options: Any) -> Any:
        """List, unless nobody is let in."""
        if self.refuses is not None:
            raise self.refuses
        return {name: self._described(name) for name in self.store if name.startswith("/" + path)}

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        """Fetch, after whatever the test does meanwhile."""
        self.on_fetch(rpath)
        self.fetched.append(rpath.removeprefix("bucket/"))
        Path(lpath).write_bytes(self.store["/" + rpath].getvalue())

    def put(self, path: str, content: str) -> None:
        """Write one object."""
        self.pipe_file(f"/bucket/{path}", content.encode())

    def _described(self, name: str) -> dict[str, Any]:
        content = self.store[name].getvalue()
        return {"size": len(content), "etag": str(hash(content))}


@pytest.fixture
def remote() -> Remote:
    """A repository of one model."""
    remote = Remote()
    remote.put("m/config.pbtxt", IDENTITY)
    remote.put("m/1/weights", "one")
    return remote


def _mirrors(remote: Remote, log: RecordingLog, **options: Any) -> Mirrors:
    mirrors = Mirrors(log, **options)
    mirrors.add(RemoteTree(CloudUrl("gs://bucket", "gs", "bucket"), remote))
    return mirrors


@pytest.fixture
def polling(remote: Remote) -> Iterator[ModelRepository]:
    """A repository in poll mode, whose looks a test makes."""
    options = RepositoryOptions(control_mode=ControlMode.POLL, poll_interval_s=0)
    log = RecordingLog()
    repository = ModelRepository(FakeCore(), log, options, mirrors=_mirrors(remote, log))
    assert repository.load_all()
    yield repository
    repository.close()


def test_only_what_changed_is_fetched(remote: Remote) -> None:
    mirrors = _mirrors(remote, RecordingLog(), look_before_fetch=True)
    (directory,) = mirrors.directories
    mirrors.fetch("m")
    assert sorted(remote.fetched) == ["m/1/weights", "m/config.pbtxt"]
    remote.fetched.clear()
    mirrors.fetch("m")
    remote.put("m/2/weights", "two")
    mirrors.fetch("m")
    assert remote.fetched == ["m/2/weights"]
    assert (directory / "m" / "1" / "weights").read_text() == "one"
    mirrors.close()
    assert not directory.exists()


def test_kept_copies_are_taken_up_and_half_ones_are_not(remote: Remote, tmp_path: Path) -> None:
    mirrors = _mirrors(remote, RecordingLog(), cache=tmp_path)
    (directory,) = mirrors.directories
    mirrors.fetch("m")
    with pytest.raises(TritonError) as error:
        _mirrors(remote, RecordingLog(), cache=tmp_path)
    assert error.value.message == (f"another server keeps copies of 'gs://bucket' in '{tmp_path}'")
    mirrors.close()
    remote.fetched.clear()
    (directory / ".copies" / "half").mkdir()
    again = _mirrors(remote, RecordingLog(), cache=tmp_path)
    again.fetch("m")
    assert remote.fetched == []
    assert not (directory / ".copies" / "half").exists()
    again.close()
    (directory / "m" / "1" / "weights").write_text("cut short")
    third = _mirrors(remote, RecordingLog(), cache=tmp_path)
    third.fetch("m")
    assert len(remote.fetched) == 2
    third.close()


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (OSError(errno.ENOSPC, "full"), "No space left on device"),
        (PermissionError("not you"), "access denied: not you"),
        (ConnectionResetError("gone"), "gone"),
    ],
)
def test_a_failed_fetch_leaves_what_was_there(remote: Remote, cause: OSError, text: str) -> None:
    mirrors = _mirrors(remote, RecordingLog(), look_before_fetch=True)
    (directory,) = mirrors.directories
    mirrors.fetch("m")
    remote.put("m/1/weights", "changed")

    def fail(path: str) -> None:
        raise cause

    remote.on_fetch = fail
    with pytest.raises(TritonError) as error:
        mirrors.fetch("m")
    assert error.value.message == f"failed to fetch 'gs://bucket/m/1/weights': {text}"
    assert (directory / "m" / "1" / "weights").read_text() == "one"
    copies = [path for path in (directory / ".copies").iterdir() if path.is_dir()]
    assert len(copies) == 2  # the model's, and that of nothing
    mirrors.close()


def test_a_model_that_changes_as_it_comes_is_not_taken(remote: Remote) -> None:
    mirrors = _mirrors(remote, RecordingLog())
    (directory,) = mirrors.directories
    remote.on_fetch = lambda path: remote.put("m/2/weights", path)
    with pytest.raises(TritonError) as error:
        mirrors.fetch("m")
    assert error.value.message == "'gs://bucket/m' changed while it was fetched"
    assert list((directory / "m").iterdir()) == []
    mirrors.close()


def test_an_object_that_leads_outside_is_refused(remote: Remote) -> None:
    remote.put("m/../../evil", "x")
    mirrors = _mirrors(remote, RecordingLog())
    with pytest.raises(TritonError) as error:
        mirrors.fetch("m")
    assert error.value.message == "'gs://bucket/m/../../evil' is no path of a file"
    mirrors.close()


def test_directories_of_azure_are_told_from_files() -> None:
    class Listed:
        def find(self, path: str, **options: Any) -> Any:
            assert options["withdirs"]
            return {
                "bucket/m": {"type": "directory", "size": None},
                "bucket/m/1": {"type": "directory", "size": None},
                "bucket/m/1/weights": {"type": "file", "size": 3, "etag": "a"},
                "bucket/m/1/empty": {"type": "file", "size": 0, "etag": "b"},
                "bucket/m/2": {"type": "file", "size": 0, "etag": "c"},
            }

    tree = RemoteTree(CloudUrl("as://a/bucket", "as", "bucket"), Listed())
    expected = frozenset(
        (
            RemoteFile("1/", 0, ""),
            RemoteFile("1/weights", 3, "a"),
            RemoteFile("1/empty", 0, "b"),
            RemoteFile("2/", 0, "c"),
        )
    )
    assert tree.models() == {"m": expected}
    assert tree.model("m") == expected


def test_who_is_not_let_in_does_not_start(remote: Remote) -> None:
    remote.refuses = PermissionError("not you")
    mirrors = Mirrors(RecordingLog())
    with pytest.raises(InternalError) as error:
        mirrors.add(RemoteTree(CloudUrl("as://a/bucket", "as", "bucket"), remote))
    assert error.value.message == (
        "Unable to create Azure filesystem client Exception: 'PermissionError' Message: 'not you' "
        "(model repository 'as://a/bucket')"
    )
    mirrors.close()


def test_kept_copies_serve_while_a_cloud_is_away(remote: Remote, tmp_path: Path) -> None:
    before = _mirrors(remote, RecordingLog(), cache=tmp_path)
    before.fetch("m")
    before.close()
    remote.refuses = ConnectionResetError("gone")
    log = RecordingLog()
    mirrors = _mirrors(remote, log, cache=tmp_path)
    (directory,) = mirrors.directories
    mirrors.fetch("m")
    assert (directory / "m" / "1" / "weights").read_text() == "one"
    mirrors.look()
    cannot_be_read = "model repository 'gs://bucket' cannot be read: gone"
    assert log.warnings == [
        cannot_be_read,
        f"model repository 'gs://bucket': serving the copies of 1 models in '{tmp_path}', which "
        "may be old",
    ]
    remote.refuses = None
    mirrors.look()
    mirrors.look()
    assert log.infos == ["model repository 'gs://bucket' can be read again"]
    remote.refuses = ConnectionResetError("gone")
    mirrors.look()
    assert log.warnings[2:] == [cannot_be_read]
    mirrors.close()


def test_an_old_copy_will_do_only_where_nothing_serves(remote: Remote, tmp_path: Path) -> None:
    log = RecordingLog()
    mirrors = _mirrors(remote, log, cache=tmp_path, look_before_fetch=True)
    mirrors.fetch("m")
    remote.refuses = ConnectionResetError("gone")
    with pytest.raises(TritonError, match="gone"):
        mirrors.fetch("m", serves=True)
    mirrors.fetch("m")
    assert log.warnings == [
        f"'gs://bucket/m' is loaded from its copy in '{tmp_path}', which may be old: gone"
    ]
    mirrors.stop()
    remote.refuses = None
    remote.put("m/1/weights", "changed")
    with pytest.raises(TritonError, match="Server exiting"):
        mirrors.fetch("m")
    mirrors.close()


def test_a_namespace_says_whose_model_is_fetched(remote: Remote) -> None:
    other = Remote()
    other.put("m/1/weights", "other")
    other.refuses = None
    mirrors = _mirrors(remote, RecordingLog(), look_before_fetch=True)
    mirrors.add(RemoteTree(CloudUrl("s3://bucket/", "s3", "bucket"), other))
    assert list(mirrors.namespaces.values()) == ["gs://bucket", "s3://bucket"]
    other.refuses = ConnectionResetError("gone")
    mirrors.fetch("gs://bucket/m")
    with pytest.raises(TritonError, match="gone"):
        mirrors.fetch("s3://bucket/m")
    assert other.fetched == []
    mirrors.release("s3://bucket/m")
    (first, _) = mirrors.directories
    assert (first / "m" / "1" / "weights").read_text() == "one"
    mirrors.release("gs://bucket/m")
    assert list((first / "m").iterdir()) == []
    mirrors.close()


def test_a_stopping_server_fetches_nothing(remote: Remote) -> None:
    mirrors = _mirrors(remote, RecordingLog())
    mirrors.stop()
    with pytest.raises(TritonError, match="Server exiting"):
        mirrors.fetch("m")
    mirrors.close()


def test_poll_loads_what_two_looks_saw_alike(remote: Remote, polling: ModelRepository) -> None:
    assert polling.ready_versions("m") == (1,)
    remote.put("m/2/weights", "half")
    assert polling.poll()
    remote.put("m/2/weights", "half and half")
    assert polling.poll()
    assert polling.ready_versions("m") == (1,)
    assert not polling.poll()
    assert polling.ready_versions("m") == (2,)


def test_poll_tries_again_what_did_not_come(remote: Remote, polling: ModelRepository) -> None:
    def fail(path: str) -> None:
        raise ConnectionResetError("gone")

    remote.put("m/2/weights", "two")
    remote.on_fetch = fail
    assert polling.poll()
    assert not polling.poll()
    assert polling.ready_versions("m") == (1,)
    remote.refuses = ConnectionResetError("gone")  # and nothing is tried while it cannot be read
    assert not polling.poll()
    remote.refuses = None
    remote.on_fetch = lambda path: None
    assert polling.poll()
    assert not polling.poll()
    assert polling.ready_versions("m") == (2,)


def test_poll_goes_on_beside_a_model_that_does_not_come(
    remote: Remote, polling: ModelRepository
) -> None:
    def fail(path: str) -> None:
        if "/far/" in path:
            raise ConnectionResetError("gone")

    remote.on_fetch = fail
    remote.put("far/config.pbtxt", IDENTITY)
    remote.put("far/1/weights", "one")
    assert polling.poll()
    assert not polling.poll()
    assert polling.ready_versions("far") == ()
    remote.put("m/2/weights", "two")
    assert polling.poll()
    polling.poll()
    assert polling.ready_versions("m") == (2,)


def test_poll_takes_nothing_out_when_a_cloud_cannot_be_read(
    remote: Remote, polling: ModelRepository
) -> None:
    remote.refuses = ConnectionResetError("gone")
    assert not polling.poll()
    assert not polling.poll()
    assert polling.ready_versions("m") == (1,)
    remote.refuses = None
    remote.store.clear()
    polling.poll()
    polling.poll()
    assert polling.ready_versions("m") == ()
