"""Goal: only what Triton counts as a model or a version counts. Method: directories in tmp_path."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python.repository.fake_core import RecordingLog
from tests.python.repository.model_tree import write_model
from tritonpy.errors import NotFoundError, UnavailableError
from tritonpy.repository.layout import (
    ModelLocation,
    RepositoryLayout,
    model_name_of,
    version_directories,
)


def _versions(directory: Path) -> tuple[list[int], list[str]]:
    log = RecordingLog()
    found = version_directories(ModelLocation(directory.name, directory), log)
    return list(found), log.warnings


def test_numbered_directories_are_versions_in_numeric_order(tmp_path: Path) -> None:
    directory = write_model(tmp_path, "m", [10, 9, 1])
    assert _versions(directory) == ([1, 9, 10], [])


def test_directories_that_are_no_versions_are_warned_of(tmp_path: Path) -> None:
    directory = write_model(tmp_path, "m", [1, "003", "abc", "-2", "9" * 30])
    found, warnings = _versions(directory)
    assert found == [1]
    assert warnings == [
        "ignore version directory '-2' which fails to convert to integral number",
        "ignore version directory '003' which contains leading zeros in its directory name",
        f"ignore version directory '{'9' * 30}' which fails to convert to integral number",
        "ignore version directory 'abc' which fails to convert to integral number",
    ]


@pytest.mark.parametrize("name", ["warmup", "initial_state", "configs", ".git"])
def test_directories_with_a_meaning_are_skipped_silently(tmp_path: Path, name: str) -> None:
    directory = write_model(tmp_path, "m", [1, name])
    assert _versions(directory) == ([1], [])


def test_files_are_no_versions(tmp_path: Path) -> None:
    directory = write_model(tmp_path, "m", [1])
    (directory / "2").write_text("")
    assert _versions(directory) == ([1], [])


def test_hidden_directories_and_files_are_no_models(tmp_path: Path) -> None:
    write_model(tmp_path, "seen")
    write_model(tmp_path, ".hidden")
    (tmp_path / "README").write_text("")
    layout = RepositoryLayout([tmp_path], RecordingLog())
    assert list(layout.models()) == ["seen"]
    assert layout.locate(".hidden") == ()
    assert layout.locate("README") == ()


def test_models_of_all_repositories_are_found_and_names_given_twice_twice(tmp_path: Path) -> None:
    write_model(tmp_path / "a", "one")
    write_model(tmp_path / "a", "both")
    write_model(tmp_path / "b", "both")
    layout = RepositoryLayout([tmp_path / "a", tmp_path / "b"], RecordingLog())
    assert {name: len(places) for name, places in layout.models().items()} == {"both": 2, "one": 1}
    assert len(layout.locate("both")) == 2
    assert [place.path for place in layout.locate("one")] == [tmp_path / "a" / "one"]


def test_a_repository_given_twice_counts_once(tmp_path: Path) -> None:
    write_model(tmp_path, "m")
    layout = RepositoryLayout([tmp_path, tmp_path / "m" / ".."], RecordingLog())
    assert len(layout.models()["m"]) == 1


def test_a_missing_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"model repository '.*absent' is not a directory"):
        RepositoryLayout([tmp_path / "absent"], RecordingLog())


def test_a_repository_that_cannot_be_read_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UnavailableError) as failure:
        RepositoryLayout([tmp_path], RecordingLog())
    assert failure.value.message == (
        f"model repository '{tmp_path}' cannot be read: Permission denied"
    )


def test_a_repository_that_vanishes_is_warned_of_once_each_time(tmp_path: Path) -> None:
    write_model(tmp_path / "stays", "a")
    write_model(tmp_path / "goes", "b")
    log = RecordingLog()
    layout = RepositoryLayout([tmp_path / "goes", tmp_path / "stays"], log)
    warning = f"model repository '{tmp_path / 'goes'}' cannot be read: No such file or directory"
    for times in (1, 2):
        shutil.rmtree(tmp_path / "goes")
        assert [list(layout.models()) for _ in "xy"] == [["a"]] * 2
        assert log.warnings == [warning] * times
        write_model(tmp_path / "goes", "b")
        assert list(layout.models()) == ["a", "b"]


@pytest.mark.parametrize("name", ["", "a/b", "../m", "x" * 5000, "nul\0"])
def test_names_that_no_directory_can_have_are_not_found(tmp_path: Path, name: str) -> None:
    assert RepositoryLayout([tmp_path], RecordingLog()).locate(name) == ()


def test_a_model_file_is_a_repository_of_one(tmp_path: Path) -> None:
    file = tmp_path / "my net.onnx"
    file.write_text("")
    layout = RepositoryLayout([], RecordingLog(), file)
    (location,) = layout.locate("my_net")
    assert layout.models() == {"my_net": (location,)}
    assert location.file == file
    assert version_directories(location, RecordingLog()) == {1: tmp_path}


@pytest.mark.parametrize(
    ("file", "name"),
    [("net.onnx", "net"), ("a b/ä.onnx", "_"), ("v1.2-x_y.onnx", "v1.2-x_y"), ("...onnx", "model")],
)
def test_model_names_of_files_need_no_quoting(file: str, name: str) -> None:
    assert model_name_of(Path(file)) == name
