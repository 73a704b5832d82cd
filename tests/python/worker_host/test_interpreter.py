"""Goal: EXECUTION_ENV_PATH leads to an interpreter, and no archive writes outside of its directory.

Method: interpreters that are links to ours; archives made member by member, the hostile ones too.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
from pathlib import Path

import pytest

from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.worker_host import Interpreters, cache_directory
from tritonpy.worker_host.interpreter import Interpreter


def _environment(directory: Path, program: str = "bin/python") -> Path:
    path = directory / program
    path.parent.mkdir(parents=True)
    path.symlink_to(sys.executable)
    return directory


def _archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"#!" + b" " * member.size))
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode, member.size = kind, target, 0o4755, 0
    return member


@pytest.fixture
def interpreters(tmp_path: Path) -> Interpreters:
    return Interpreters(tmp_path / "cache")


def test_a_model_that_names_nothing_gets_the_interpreter_of_the_server(
    interpreters: Interpreters, tmp_path: Path
) -> None:
    found = interpreters.find("", tmp_path)
    assert found == Interpreter(Path(sys.executable))
    assert found.environment({"PATH": "/bin", "PYTHONHOME": "h"}) == {
        "PATH": "/bin",
        "PYTHONHOME": "h",
    }


@pytest.mark.parametrize("program", ["bin/python", "bin/python3"])
def test_an_environment_is_activated(
    interpreters: Interpreters, tmp_path: Path, program: str
) -> None:
    home = _environment(tmp_path / "env", program)
    found = interpreters.find(str(home), tmp_path)
    assert found == Interpreter(home / program, home)
    assert found.environment({"PATH": "/bin", "PYTHONHOME": "h", "LC_ALL": "C"}) == {
        "PATH": f"{home}/bin{os.pathsep}/bin",
        "VIRTUAL_ENV": str(home),
        "CONDA_PREFIX": str(home),
        "LC_ALL": "C",
    }


def test_an_interpreter_is_itself_and_may_be_below_the_model(
    interpreters: Interpreters, tmp_path: Path
) -> None:
    _environment(tmp_path / "m" / "env")
    named = "$$TRITON_MODEL_DIRECTORY/env/bin/python"
    assert interpreters.find(named, tmp_path / "m") == Interpreter(tmp_path / "m/env/bin/python")


def test_an_archive_is_unpacked_once(interpreters: Interpreters, tmp_path: Path) -> None:
    archive = _archive(
        tmp_path / "env.tar.gz",
        _member(".", tarfile.DIRTYPE),
        _member("./bin", tarfile.DIRTYPE),
        _member("bin/python3.11"),
        _member("bin/python", tarfile.SYMTYPE, "python3.11"),
        _member("bin/hard", tarfile.LNKTYPE, "bin/python3.11"),
    )
    found = interpreters.find(str(archive), tmp_path)
    assert found.home is not None
    assert found.home.parent == tmp_path / "cache"
    assert found.path.resolve().stat().st_mode & 0o7777 == 0o755
    marked = found.home / "mark"
    marked.touch()
    assert interpreters.find(str(archive), tmp_path) == found
    assert marked.exists()
    os.utime(archive, ns=(1, 1))
    assert interpreters.find(str(archive), tmp_path) != found, "another archive by now"


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ([_member("a/../../b")], "Path contains '..'"),
        ([_member("/b")], "Path is absolute"),
        ([_member("b", tarfile.LNKTYPE, "../b")], "Path contains '..'"),
        ([_member("b", tarfile.LNKTYPE, "/b")], "Path is absolute"),
        ([_member("b", tarfile.FIFOTYPE)], "'b' is neither a file, nor a directory, nor a link"),
        (
            [_member("out", tarfile.SYMTYPE, "../.."), _member("out/b")],
            "'out/b' lies behind a link that leads out of the archive",
        ),
    ],
    ids=["dots", "absolute", "link dots", "link absolute", "fifo", "behind link"],
)
def test_archives_that_reach_out_are_refused(
    interpreters: Interpreters, tmp_path: Path, members: list[tarfile.TarInfo], text: str
) -> None:
    archive = _archive(tmp_path / "env.tar.gz", *members)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InternalError) as raised:
        interpreters.find(str(archive), tmp_path)
    assert raised.value.message == text
    assert sorted(tmp_path.iterdir()) == sorted((*before, tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_broken_archive_is_named(interpreters: Interpreters, tmp_path: Path) -> None:
    archive = _archive(tmp_path / "env.tar.gz", *(_member(f"file {i}") for i in range(1000)))
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(InternalError, match=rf"^failed to unpack environment '{archive}': "):
        interpreters.find(str(archive), tmp_path)


def test_paths_that_lead_nowhere_are_named(interpreters: Interpreters, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgError, match=r"^EXECUTION_ENV_PATH '/no/such' does not exist$"):
        interpreters.find("/no/such", tmp_path)
    with pytest.raises(InvalidArgError, match="has no bin/python"):
        interpreters.find(str(tmp_path), tmp_path)
    text = tmp_path / "text"
    text.write_text("x")
    with pytest.raises(InvalidArgError, match="is neither an interpreter nor an environment"):
        interpreters.find(str(text), tmp_path)


def test_the_cache_is_where_the_user_keeps_caches() -> None:
    tail = Path("tritonpy/environments")
    assert cache_directory({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == "/c" / tail
    assert cache_directory({"HOME": "/h"}) == "/h/.cache" / tail
