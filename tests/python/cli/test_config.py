"""Goal: `config` prints what a model is loaded with, and why each part of it is there.

Method: main() on small repositories; which field is told for which reason is tested with the
completion itself, and a running server's config with the other commands for one.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from tests.conformance.model_files import add_sub_model, identity_config, write_config, write_onnx
from tests.python.inspection.mistake import GOOD
from tritonpy.cli import main
from tritonpy.config import config_to_json, parse_config

_COMPLETING = """
    class TritonPythonModel:
        @staticmethod
        def auto_complete_config(config):
            {body}
            return config
        def execute(self, requests):
            return []
"""


def _config(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["config", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def _write_python(repository: Path, body: str) -> Path:
    write_config(repository, "m", 'backend: "python"')
    file = repository / "m" / "1" / "model.py"
    file.write_text(textwrap.dedent(_COMPLETING.format(body=body)))
    return repository / "m"


def test_what_was_filled_is_marked_and_what_was_given_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_onnx(tmp_path, "m", add_sub_model())
    (tmp_path / "m" / "config.pbtxt").write_text("max_batch_size: 2")
    status, text, errors = _config(capsys, tmp_path / "m")
    assert (status, errors) == (0, "")
    lines = text.splitlines()
    assert "max_batch_size: 2" in lines
    assert 'name: "m"  # inferred: the name of the directory' in lines
    assert "  count: 2  # default: of backend onnxruntime on KIND_CPU" in lines
    index = lines.index("input {  # inferred: from the ONNX model's input, FP32 [-1,16]")
    assert lines[index + 1] == '  name: "INPUT0"'


def test_the_text_reads_back_as_the_config_that_the_json_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_onnx(tmp_path, "m", add_sub_model())
    _, text, _ = _config(capsys, "m", "--repo", tmp_path)
    status, as_json, _ = _config(capsys, "m", "--repo", tmp_path, "--json")
    assert status == 0
    assert json.loads(as_json) == config_to_json(parse_config(text, "printed"))


def test_a_model_of_a_single_file_has_a_config_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_onnx(tmp_path, "m", add_sub_model())
    file = tmp_path / "small.onnx"
    (tmp_path / "m" / "1" / "model.onnx").rename(file)
    (tmp_path / "config.pbtxt").write_text("not read")
    status, text, errors = _config(capsys, file)
    assert (status, errors) == (0, "")
    lines = text.splitlines()
    assert 'name: "small"  # inferred: from the name of the file' in lines
    assert "input {  # inferred: from the ONNX model's input, FP32 [-1,16]" in lines


def test_a_python_model_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = _write_python(tmp_path, "config.set_max_batch_size(3)")
    status, text, _ = _config(capsys, model)
    assert status == 0
    said = "  # inferred: the model's own auto_complete_config says so"
    assert f"max_batch_size: 3{said}" in text.splitlines()


def test_what_a_python_model_raises_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = _write_python(tmp_path, "raise ValueError('not today')")
    status, text, errors = _config(capsys, model)
    assert (status, text) == (1, "")
    assert f"{model}/1/model.py: error: " in errors
    assert "ValueError: not today" in errors
    assert "fix: mend the model's auto_complete_config\n" in errors
    assert errors.count("fix: ") == 1


def test_only_what_an_ensemble_needs_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path, "part", GOOD + "model_transaction_policy { decoupled: true }")
    write_config(tmp_path, "broken", "zz: 1")
    tensors = GOOD.replace('backend: "identity"', 'platform: "ensemble"')
    steps = """ensemble_scheduling { step { model_name: "part"
        input_map { key: "INPUT0" value: "INPUT0" }
        output_map { key: "OUTPUT0" value: "OUTPUT0" } } }"""
    write_config(tmp_path, "whole", tensors + steps)
    status, text, errors = _config(capsys, tmp_path / "whole")
    assert (status, errors) == (0, "")
    line = "model_transaction_policy {  # inferred: from a decoupled model in its steps"
    assert line in text.splitlines()


def test_options_of_the_server_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_onnx(tmp_path, "m", add_sub_model())
    custom = tmp_path / "m" / "configs" / "small.pbtxt"
    custom.parent.mkdir()
    custom.write_text('instance_group { name: "mine" }')
    size = "--backend-config=onnxruntime,default-max-batch-size=7"
    _, text, _ = _config(capsys, tmp_path / "m", size, "--model-config-name=small")
    config = parse_config(text, "printed")
    assert (config.max_batch_size, config.instance_group[0].name) == (7, "mine")
    status, text, errors = _config(capsys, tmp_path / "m", "--disable-auto-complete-config")
    assert (status, text) == (1, "")
    assert "error: there is no config" in errors
    with pytest.raises(SystemExit) as ended:
        main(["config", str(tmp_path / "m"), "--backend-config=default-max-batch-size=-1"])
    assert ended.value.code == 2
    assert "--backend-config default-max-batch-size" in capsys.readouterr().err


def test_a_model_that_is_wrong_or_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path, "m", identity_config("FP32", max_batch_size=-1))
    status, text, errors = _config(capsys, tmp_path / "m")
    assert (status, text) == (1, "")
    assert f"{tmp_path}/m/config.pbtxt:3: error: max_batch_size: " in errors
    assert _config(capsys, "n", "--repo", tmp_path) == (
        1,
        "",
        f"tritonpy config: there is no model 'n' in {tmp_path}\n",
    )
    assert _config(capsys, tmp_path / "no" / "n") == (
        1,
        "",
        f"tritonpy config: model repository '{tmp_path}/no' is not a directory\n",
    )
