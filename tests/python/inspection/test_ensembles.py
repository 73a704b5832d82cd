"""Goal: an ensemble is checked against its models, whatever is wrong with those.

Method: repositories of models that need no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.python.inspection.mistake import GOOD, IO
from tritonpy.config import OnnxSignature
from tritonpy.core import Log, LogSettings
from tritonpy.errors import InvalidArgError
from tritonpy.inspection import CheckOptions, check_one, check_repositories
from tritonpy.options import RepositoryOptions


def _never(_path: str, _op_libraries: Sequence[str]) -> OnnxSignature:
    raise AssertionError("no model here is an ONNX model")


def _told(repository: Path) -> list[str]:
    log = Log()
    log.configure(LogSettings(info=False, warning=False, error=False))
    options = CheckOptions(describe_onnx_model=_never)
    return [
        f"{problem.file.parent.name}: {problem.text}; {problem.fix}"
        for problem in check_repositories([repository], options, log).problems
    ]


def _write(repository: Path, name: str, config: str) -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(config)


def _ensemble(needs: str) -> str:
    return f"""platform: "ensemble" max_batch_size: 4 {IO}
        ensemble_scheduling {{ step [ {{ model_name: "{needs}" model_version: -1
            input_map {{ key: "INPUT0" value: "INPUT0" }}
            output_map {{ key: "OUTPUT0" value: "OUTPUT0" }} }} ] }}"""


def test_ensembles_of_ensembles_are_sound_when_their_models_are(tmp_path: Path) -> None:
    _write(tmp_path, "a", _ensemble("b"))
    _write(tmp_path, "b", _ensemble("c"))
    _write(tmp_path, "c", GOOD)
    assert _told(tmp_path) == []


def test_an_ensemble_waits_for_its_models_to_be_mended(tmp_path: Path) -> None:
    _write(tmp_path, "a", _ensemble("b"))
    _write(tmp_path, "b", GOOD.replace("size: 4", "size: -1"))
    of_ensemble, of_model = _told(tmp_path)
    assert of_model.startswith("b: 'max_batch_size' must be non-negative")
    assert of_ensemble.startswith("a: ensemble 'a' depends on 'b' which has no loaded version.")
    assert of_ensemble.endswith("mend model 'b' first")


def test_a_circle_is_told_of_each_ensemble_in_it(tmp_path: Path) -> None:
    for name, needs in (("a", "b"), ("b", "a")):
        _write(tmp_path, name, _ensemble(needs))
    assert [text.partition(";")[0] for text in _told(tmp_path)] == [
        "a: circular dependency between ensembles: a -> b -> a",
        "b: circular dependency between ensembles: b -> a -> b",
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_does_not_serve_cannot_be_a_step(tmp_path: Path, version: int) -> None:
    _write(tmp_path, "a", _ensemble("b").replace("-1", str(version)))
    _write(tmp_path, "b", GOOD)
    told = _told(tmp_path)
    assert len(told) == (version == 2)
    assert all("whose required version 2 is not loaded" in text for text in told)


def test_repositories_that_share_names_are_checked_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for repository, kind in ((first, "TYPE_FP32"), (second, "TYPE_INT32")):
        _write(repository, "a", _ensemble("b").replace("TYPE_FP32", kind))
        _write(repository, "b", GOOD.replace("TYPE_FP32", kind))
    log = Log()
    log.configure(LogSettings(info=False, warning=False, error=False))
    shared = CheckOptions(_never, serving=RepositoryOptions(model_namespacing=True))
    checked = check_repositories([first, second], shared, log)
    assert checked.problems == ()
    assert len(checked.models) == 4
    with pytest.raises(InvalidArgError, match=f"several models 'a': {first}/a, {second}/a"):
        check_one([first, second], "a", shared, log)
    step = "ensemble_scheduling.step[0].model_namespace"
    assert check_one([first], "a", shared, log).reasons[step] == (
        "inferred: the repository that has the model"
    )
    apart = check_repositories([first, second], CheckOptions(_never), log)
    assert "model appears in two or more repositories" in str(apart.problems)
