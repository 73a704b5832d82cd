"""Goal: Python models go the way of every other model, and what runs them goes with them.

Method: model files, a core in memory, and a completion that the test plays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.python.repository.fake_core import FakeCore, RecordingLog
from tritonpy.config.model_config import CoreModelConfig
from tritonpy.options import RepositoryOptions
from tritonpy.repository import ModelRepository, ModelState
from tritonpy.worker_host import WorkerSpec

_DECORATED = "import tritonpy\n\n@tritonpy.model\ndef double(x: int) -> int:\n    return 2 * x\n"
_PLAIN = "class TritonPythonModel:\n    def execute(self, requests): return []\n"
_COMPLETED = {
    "max_batch_size": 2,
    "input": [{"name": "x", "data_type": "TYPE_INT64", "dims": [1]}],
    "output": [{"name": "y", "data_type": "TYPE_INT64", "dims": [1]}],
}


class Case:
    """A repository over a core that keeps what it builds."""

    def __init__(self, options: RepositoryOptions) -> None:
        self.built: list[CoreModelConfig] = []
        self.asked: list[WorkerSpec] = []
        self.log = RecordingLog()
        core = FakeCore(on_build=self.built.append)
        self.repository = ModelRepository(core, self.log, options, python_models=self)

    def memory_bytes(self, _: str) -> int:
        return 0

    def complete(self, spec: WorkerSpec) -> dict[str, Any]:
        self.asked.append(spec)
        return _COMPLETED


def _write(directory: Path, source: str, config: str = "") -> Path:
    file = directory / "m" / "1" / "model.py"
    file.parent.mkdir(parents=True)
    file.write_text(source)
    if config:
        (directory / "m" / "config.pbtxt").write_text(config)
    return file


def test_a_single_file_is_a_model_that_completes_itself(tmp_path: Path) -> None:
    file = tmp_path / "double.py"
    file.write_text(_DECORATED)
    case = Case(RepositoryOptions(model_file=file))
    assert case.repository.load_all()
    (spec,) = case.asked
    assert (spec.model_name, spec.model_path) == ("double", str(file))
    assert spec.model_directory == str(tmp_path)
    (lowered,) = case.built
    assert (lowered.backend, lowered.model_path) == ("python", str(file))
    assert lowered.max_batch_size == 2
    assert WorkerSpec.from_text(lowered.worker).model_path == str(file)
    assert '"max_batch_size": 2' in WorkerSpec.from_text(lowered.worker).config_json


def test_a_directory_needs_no_config_and_no_model_is_run_in_vain(tmp_path: Path) -> None:
    file = _write(tmp_path, _PLAIN)
    case = Case(RepositoryOptions(paths=(tmp_path,), python_worker_timeout_s=7))
    assert case.repository.load_all()
    assert case.asked == []
    (lowered,) = case.built
    assert (lowered.backend, lowered.model_path, lowered.decoupled) == ("python", str(file), False)
    assert lowered.worker_timeout_s == 7
    assert WorkerSpec.from_text(lowered.worker).model_directory == str(tmp_path / "m")


def test_a_decoupled_model_is_lowered_as_one(tmp_path: Path) -> None:
    _write(tmp_path, _PLAIN, 'backend: "python" model_transaction_policy { decoupled: true }')
    case = Case(RepositoryOptions(paths=(tmp_path,)))
    assert case.repository.load_all()
    assert case.built[0].decoupled


def test_a_setting_that_concerns_gpus_is_no_warning(tmp_path: Path) -> None:
    _write(tmp_path, _PLAIN, 'backend: "python" optimization { cuda { } eager_batching: true }')
    case = Case(RepositoryOptions(paths=(tmp_path,)))
    assert case.repository.load_all()
    of_gpus = "settings of model 'm' that concern only GPUs have no effect: 'optimization.cuda'"
    assert of_gpus in case.log.infos
    assert case.log.warnings == [
        "'optimization.eager_batching' has no effect for model 'm': an instance forms its next "
        "batch when it is free"
    ]


@pytest.mark.parametrize("measured", [False, True])
def test_first_responses_are_measured_where_the_server_was_asked_to(
    tmp_path: Path, measured: bool
) -> None:
    control = (
        'metric_control { metric_identifier { family: "nv_inference_first_response_histogram_ms" } '
        "histogram_options { buckets: [ 1, 2.5 ] } }"
    )
    _write(tmp_path, _PLAIN, f'backend: "python" model_metrics {{ {control} }}')
    case = Case(RepositoryOptions(paths=(tmp_path,), histogram_latencies=measured))
    assert case.repository.load_all()
    assert case.built[0].first_response_bounds_ms == ((1, 2.5) if measured else ())
    told = (
        "'model_metrics.metric_control' has no effect for model 'm' without --metrics-config "
        "histogram_latencies=true"
    )
    assert (told in case.log.infos) is not measured


def test_a_missing_file_is_the_reason_in_the_index(tmp_path: Path) -> None:
    file = _write(tmp_path, _PLAIN, 'backend: "python"')
    file.unlink()
    case = Case(RepositoryOptions(paths=(tmp_path,)))
    assert not case.repository.load_all()
    (entry,) = case.repository.index()
    assert (entry.state, entry.reason) == (
        ModelState.UNAVAILABLE,
        f"Internal: Failed to preinitialize Python stub: Python model file not found in '{file}'",
    )


@pytest.mark.parametrize("source", [_DECORATED, _PLAIN])
def test_without_workers_no_model_that_must_be_asked_is_loaded(tmp_path: Path, source: str) -> None:
    _write(tmp_path, source)
    repository = ModelRepository(FakeCore(), RecordingLog(), RepositoryOptions(paths=(tmp_path,)))
    assert repository.load_all() is (source is _PLAIN)


def test_changes_of_health_are_told_on(tmp_path: Path) -> None:
    case = Case(RepositoryOptions(paths=(tmp_path,)))
    told: list[bool] = []
    case.repository.on_change(lambda: told.append(case.repository.has_started))
    case.repository.note_change()
    assert told == [False]
    case.repository.load_all()
    assert case.repository.has_started
