"""Goal: whoever makes a common mistake is told the file, the line or field, and what to do.

Method: a table of mistakes, each in a repository of its own that is checked as `validate` does, and
loaded, for what is called an error must be one; and configs that hypothesis draws, for rules that
the table has not.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings

from tests.python.config.strategies import any_configs
from tests.python.inspection.mistake import GOOD, Mistake, write_mistake
from tests.python.inspection.mistakes import MISTAKES
from tritonpy.config import Devices, ModelConfig, normalize, unsupported_features, validate
from tritonpy.config.config_json import config_from_json
from tritonpy.core import Core, Log, LogSettings, onnxruntime_library_path
from tritonpy.inspection import CheckOptions, Problem, Severity, check_repositories
from tritonpy.inspection.advice import advice_on
from tritonpy.options import RepositoryOptions
from tritonpy.repository import ModelRepository
from tritonpy.worker_host import WorkerHost


@pytest.fixture(scope="module")
def log() -> Log:
    """A log that says nothing."""
    silent = Log()
    silent.configure(LogSettings(info=False, warning=False, error=False))
    return silent


@pytest.fixture(scope="module")
def options(log: Log) -> CheckOptions:
    """What the command checks with."""
    core = Core(log, onnxruntime_library_path())
    return CheckOptions(describe_onnx_model=core.describe_onnx_model)


def _place(problem: Problem, repository: Path) -> str:
    """Return where a problem is, as the table writes it."""
    if problem.file == repository / "m" / "config.pbtxt":
        return " ".join(str(part) for part in (problem.line, problem.field) if part)
    line = f":{problem.line}" if problem.line else ""
    return f"{problem.file.relative_to(repository)}{line}"


def test_the_table_is_long_enough_and_names_each_mistake_once() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 50


_SAME_BUCKETS = """
    {"model_metrics": {"metric_control": [
        {"metric_identifier": {"family": "f"}, "histogram_options": {"buckets": [1, 1]}}
    ]}}
"""


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_with_its_place_and_its_fix(
    mistake: Mistake, tmp_path: Path, options: CheckOptions, log: Log
) -> None:
    write_mistake(tmp_path, mistake)
    problems = check_repositories([tmp_path], options, log).problems
    told = "\n".join(map(str, problems))
    here = [problem for problem in problems if _place(problem, tmp_path) == mistake.place]
    assert here, f"nothing at {mistake.place!r}, but:\n{told}"
    assert any(mistake.fix in problem.fix for problem in here), told


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_server_loads_what_has_no_error_and_nothing_else(
    mistake: Mistake, tmp_path: Path, options: CheckOptions, log: Log
) -> None:
    repository = tmp_path / "models"
    write_mistake(repository, mistake)
    (repository / "config.pbtxt").unlink(missing_ok=True)  # the one that a server does not look at
    problems = check_repositories([repository], options, log).problems
    workers = WorkerHost(log, tmp_path, verbose_level=lambda: 0, stub_timeout_s=30)
    serving = ModelRepository(
        Core(log, onnxruntime_library_path(), workers),
        log,
        RepositoryOptions(paths=(repository,)),
        python_models=workers,
    )
    try:
        is_sound = not any(problem.severity is Severity.ERROR for problem in problems)
        assert serving.load_all() == is_sound, "\n".join(map(str, problems))
    finally:
        serving.close()


@settings(max_examples=100)
@given(any_configs())
@example(config_from_json(_SAME_BUCKETS))
def test_there_is_advice_on_each_rule(config: ModelConfig) -> None:
    named = ModelConfig()
    named.CopyFrom(config)
    named.name = "m"
    filled = normalize(named, Devices())
    for problem in (*validate(filled, Devices()), *unsupported_features(filled)):
        # Names of tensors may be anything, quotes and line ends too; those are not found.
        if problem.isprintable() and problem.count("'") % 2 == 0:
            assert advice_on(problem).fix, problem


def test_what_is_right_is_told_nothing(tmp_path: Path, options: CheckOptions, log: Log) -> None:
    write_mistake(tmp_path, Mistake("none", GOOD, "", ""))
    assert check_repositories([tmp_path], options, log).problems == ()


def test_all_mistakes_of_a_model_and_of_all_models_are_told_at_once(
    tmp_path: Path, options: CheckOptions, log: Log
) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "1").mkdir(parents=True)
    (tmp_path / "a" / "config.pbtxt").write_text(
        'backend: "identity"\nmax_batch_size: -1\ninput [ { name: "INPUT0" dims: [ 0 ] } ]\n'
        'output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] label_filename: "no" } ]\n'
    )
    (tmp_path / "b" / "config.pbtxt").write_text('backend: "none"\nmax_batch_size: x\nzz: 1\n')
    problems = check_repositories([tmp_path], options, log).problems
    assert [(problem.file.parent.name, problem.line) for problem in problems] == [
        ("a", 2),
        ("a", 3),
        ("a", 3),
        ("a", 4),
        ("b", 2),
        ("b", 3),
    ]
