"""Goal: whoever has nothing has a model that serves after one command, and nothing is lost.

Method: main() in an empty directory; what it made is validated as the next command would.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conformance.model_files import add_sub_model, write_onnx
from tritonpy.cli import main


def _init(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    status = main(["init", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, (captured.out + captured.err).splitlines()


def _is_sound(repository: Path) -> bool:
    return main(["validate", str(repository)]) == 0


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """An ONNX model, outside of any repository."""
    write_onnx(tmp_path / "somewhere", "x", add_sub_model())
    return tmp_path / "somewhere" / "x" / "1" / "model.onnx"


def test_an_example_is_made_and_what_to_do_with_it_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "my models"
    assert _init(capsys, repository) == (
        0,
        [
            f"made {repository}/shout/1/model.py",
            f"made {repository}/shout/config.pbtxt",
            f"next: tritonpy serve --model-repository '{repository}'",
            """then: curl -d '{"text": "hi ", "times": 2}' """
            "localhost:8000/v2/models/shout/generate",
        ],
    )
    assert _is_sound(repository)


def test_a_model_file_is_copied(
    tmp_path: Path, onnx_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "models"
    status, lines = _init(capsys, repository, "--from", onnx_file, "--name", "mine")
    assert (status, lines[-1]) == (0, f"next: tritonpy serve --model-repository {repository}")
    assert (repository / "mine" / "1" / "model.onnx").read_bytes() == onnx_file.read_bytes()
    source = tmp_path / "say.py"
    source.write_text("class TritonPythonModel:\n    def execute(self, requests): ...\n")
    assert _init(capsys, repository, "--from", source)[0] == 0
    assert (repository / "say" / "1" / "model.py").read_text() == source.read_text()
    assert _is_sound(repository)


def test_weights_that_lie_beside_a_model_are_copied_with_it(
    tmp_path: Path, onnx_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (onnx_file.parent / "weights").write_text("w")
    assert _init(capsys, tmp_path / "models", "--from", onnx_file.parent, "--name", "big")[0] == 0
    assert (tmp_path / "models" / "big" / "1" / "model.onnx" / "weights").read_text() == "w"
    assert _is_sound(tmp_path / "models")


@pytest.mark.parametrize("suffix", [".onnx", ".py"])
def test_each_choice_that_a_config_offers_can_be_made(
    suffix: str, tmp_path: Path, onnx_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / f"m{suffix}"
    source.write_bytes(onnx_file.read_bytes())
    if suffix == ".py":
        source.write_text("class TritonPythonModel:\n    def execute(self, requests): ...\n")
    assert _init(capsys, tmp_path / "models", "--from", source)[0] == 0
    config = tmp_path / "models" / "m" / "config.pbtxt"
    chosen, count = re.subn(r"(?m)^# (?=\w+(:| [{\[]) ?.)(?=.*[\d}\]]$)", "", config.read_text())
    assert count == 3
    config.write_text(chosen)
    assert _is_sound(tmp_path / "models"), chosen + capsys.readouterr().out


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _init(capsys, tmp_path)
    config = tmp_path / "shout" / "config.pbtxt"
    config.write_text("mine")
    assert _init(capsys, tmp_path) == (
        1,
        [
            f"tritonpy init: '{tmp_path}/shout' exists, and nothing is overwritten: give another "
            "--name"
        ],
    )
    assert config.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--from", "{}/no.onnx"], "there is no model file '{}/no.onnx'"),
        (
            ["--from", "{}/notes.txt"],
            "'{}/notes.txt' is no model that can be served: give an .onnx file, a directory with a "
            "model.onnx, or a .py file",
        ),
        (["--from", "{}"], "there is no model file '{}'"),
        (["--name", ".m"], "invalid model name '.m': a server does not see hidden files"),
        (
            ["--name", "../m"],
            "invalid model name '../m', model name must not contain path traversal characters",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("")
    given = [argument.format(tmp_path) for argument in arguments]
    told = _init(capsys, tmp_path / "models", *given)
    assert told == (1, [f"tritonpy init: {reason.format(tmp_path)}"])
    assert not (tmp_path / "models").exists()


def test_a_directory_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    status, (line,) = _init(capsys, tmp_path / "file")
    assert status == 1
    assert line.startswith("tritonpy init: [Errno 20] Not a directory")
