"""Goal: `validate` says what is wrong, and its exit status says whether anything is.

Method: main() on small repositories; what it says of each mistake is tested with the inspection.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python.inspection.mistake import GOOD, Mistake, write_mistake
from tritonpy.cli import main


def _validate(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main(["validate", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_a_sound_repository_is_counted_and_exits_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mistake(tmp_path, Mistake("none", GOOD, "", ""))
    assert _validate(capsys, tmp_path) == (0, "models: 1, errors: 0, warnings: 0\n")


def test_an_error_is_told_as_compilers_do_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "m" / "config.pbtxt"
    write_mistake(tmp_path, Mistake("x", GOOD.replace("size: 4", "size: -4"), "", ""))
    assert _validate(capsys, tmp_path) == (
        1,
        f"{config}:2: error: max_batch_size: 'max_batch_size' must be non-negative value for m\n"
        "    fix: write the largest batch that the model takes, or 0 for a model without a batch "
        "dimension\n"
        "models: 1, errors: 1, warnings: 0\n",
    )


def test_a_warning_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mistake(tmp_path, Mistake("x", GOOD, "", "", {"m/1/x": "", "m/x1/x": ""}))
    status, told = _validate(capsys, tmp_path)
    assert status == 0
    assert told.startswith(f"{tmp_path / 'm'}: warning: ignore version directory 'x1'")
    assert told.endswith("models: 1, errors: 0, warnings: 1\n")


def test_a_model_that_two_repositories_have_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        write_mistake(tmp_path / name, Mistake("none", GOOD, "", ""))
    status, told = _validate(capsys, tmp_path / "first", tmp_path / "second")
    assert status == 1
    assert f"{tmp_path}/second/m: error: model appears in two or more repositories" in told


def test_what_is_no_repository_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "nowhere"
    assert _validate(capsys, missing) == (
        1,
        f"tritonpy validate: model repository '{missing}' is not a directory\n",
    )


def test_options_of_serve_change_what_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mistake(tmp_path, Mistake("x", None, "", "", {"m/configs/small.pbtxt": "zz: 1"}))
    (tmp_path / "m" / "1").mkdir()
    assert (
        "m/configs/small.pbtxt:1:1: error"
        in _validate(capsys, tmp_path, "--model-config-name=small")[1]
    )
    assert _validate(capsys, tmp_path, "--disable-auto-complete-config") == (
        1,
        f"{tmp_path}/m/config.pbtxt: error: there is no config\n"
        "    fix: write one, or leave out --disable-auto-complete-config\n"
        "models: 1, errors: 1, warnings: 0\n",
    )
    home = tmp_path / "backends" / "mine"
    home.mkdir(parents=True)
    (home / "model.py").write_text("class TritonPythonModel:\n    pass\n")
    repository = tmp_path / "of_backend"
    write_mistake(repository, Mistake("x", GOOD.replace("identity", "mine"), "", ""))
    told = _validate(capsys, repository, "--backend-directory", home.parent)[1]
    assert f"{home}/model.py:1: error: class TritonPythonModel has no method" in told


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["--help"], 0)])
def test_the_command_line_is_explained(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["validate", *arguments])
    captured = capsys.readouterr()
    assert ended.value.code == status
    assert (captured.out + captured.err).startswith("usage: tritonpy validate")


def test_a_cloud_is_refused_and_why_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["validate", "s3://bucket/models"])
    assert (
        "'s3://bucket/models' is no directory of this machine: copy the models here to check them"
    ) in capsys.readouterr().err
