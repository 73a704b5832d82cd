"""Goal: a server starts as its options say, with models that load, fail, or load at last.

Method: a server each that forgives failed models and one that does not, over repositories with one
model for each thing that may happen to it; what a failed start prints, from a process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.model_files import (
    add_sub_model,
    identity_config,
    write_config,
    write_onnx,
)
from tests.conformance.python_models import write_python_model
from tests.conformance.raw_http import request
from tests.conformance.repository_index import states
from tests.conformance.running_server import RunningServer, ServerOptions, server_environment

# A model that fails as often as there are lines in a file beside it, and takes one away each time.
_FLAKY = """
    import pathlib
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            file = pathlib.Path(args["model_repository"], "failures")
            first, *rest = file.read_text().splitlines() or [""]
            file.write_text("\\n".join(rest))
            if first:
                raise RuntimeError(first)

        def execute(self, requests):
            return []
"""
_TENSORS = """
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 1 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] } ]
"""


def _write_flaky(repository: Path, name: str, failures: list[str]) -> None:
    write_python_model(repository, name, _FLAKY, f'backend: "python" {_TENSORS}')
    (repository / name / "failures").write_text("\n".join(failures))


@pytest.fixture(scope="module")
def forgiving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that goes on, and is ready, without the models that fail."""
    root = tmp_path_factory.mktemp("forgiving")
    models, others = root / "models", root / "others"
    write_config(models, "good", identity_config("FP32"))
    write_config(models, "broken", identity_config("FP32", max_batch_size=-1))
    for repository in (models, others):
        write_config(repository, "twice", identity_config("FP32"))
    write_config(models, "named", identity_config("FP32", max_batch_size=2))
    (models / "named" / "configs").mkdir()
    (models / "named" / "configs" / "large.pbtxt").write_text(
        identity_config("FP32", max_batch_size=9)
    )
    _write_flaky(models, "fails_once", ["not yet"])
    _write_flaky(models, "fails_twice", ["not yet", "nor now"])
    (models / "empty").mkdir()
    arguments = ["--exit-on-error=false", "--strict-readiness=false", "--repo", str(others)]
    arguments += ["--model-config-name=large", "--model-load-retry-count=1"]
    with RunningServer(models, ServerOptions(arguments)) as server:
        yield server


def test_a_forgiving_server_is_ready_without_what_failed(forgiving: RunningServer) -> None:
    assert request(forgiving.http_port, "GET", "/v2/health/ready").status == 200
    assert request(forgiving.http_port, "GET", "/v2/models/good/ready").status == 200
    assert request(forgiving.http_port, "GET", "/v2/models/broken/ready").status == 404


def test_the_index_says_of_each_model_what_became_of_it(forgiving: RunningServer) -> None:
    assert states(forgiving, "good") == [("1", "READY", "")]
    duplicate = "model appears in two or more repositories"
    assert states(forgiving, "twice") == [("", "UNAVAILABLE", duplicate)]
    ((version, state, reason),) = states(forgiving, "empty")
    assert (version, state) == ("", "UNAVAILABLE")
    assert reason.startswith("Invalid argument: Invalid model name: Could not determine backend")
    ((version, state, reason),) = states(forgiving, "broken")
    assert (version, state) == ("", "UNAVAILABLE")
    assert reason.startswith("Invalid argument: ")


def test_a_load_is_tried_again_as_often_as_told_and_no_more(forgiving: RunningServer) -> None:
    assert states(forgiving, "fails_once") == [("1", "READY", "")]
    ((version, state, reason),) = states(forgiving, "fails_twice")
    assert (version, state) == ("1", "UNAVAILABLE")
    assert "nor now" in reason
    assert "retrying to load 'fails_once' version 1" in forgiving.output


def test_a_named_config_takes_the_place_of_the_other_where_there_is_one(
    forgiving: RunningServer,
) -> None:
    sizes = [
        request(forgiving.http_port, "GET", f"/v2/models/{model}/config").json["max_batch_size"]
        for model in ("named", "good")
    ]
    assert sizes == [9, 8]


def test_a_strict_server_that_goes_on_is_live_and_not_ready(tmp_path: Path) -> None:
    write_onnx(tmp_path, "bare", add_sub_model())
    write_config(tmp_path, "given", f'{identity_config("FP32")} name: "given"')
    arguments = ["--exit-on-error=false", "--disable-auto-complete-config"]
    with RunningServer(tmp_path, ServerOptions(arguments)) as server:
        assert request(server.http_port, "GET", "/v2/health/live").status == 200
        assert request(server.http_port, "GET", "/v2/health/ready").status == 400
        assert states(server, "given") == [("1", "READY", "")]
        config = request(server.http_port, "GET", "/v2/models/given/config").json
        assert config["default_model_filename"] == ""  # nothing but what must be is filled in
        assert config["instance_group"][0]["count"] == 1
        reason = f"Internal: failed to open text file for read {tmp_path}/bare/config.pbtxt"
        ((version, state, said),) = states(server, "bare")
        assert (version, state) == ("", "UNAVAILABLE")
        assert said.startswith(reason)


@pytest.mark.parametrize("model", ["broken", "nobody"])
def test_a_server_ends_where_a_model_of_its_start_fails(tmp_path: Path, model: str) -> None:
    write_config(tmp_path, "broken", 'backend: "nothing"')
    command = [sys.executable, "-m", "tritonpy", "serve", "--repo", str(tmp_path)]
    command += ["--model-control-mode=explicit", f"--load-model={model}"]
    ended = subprocess.run(
        command, capture_output=True, text=True, env=server_environment(), check=False
    )
    assert ended.returncode == 1
    assert "error: creating server: Internal - failed to load all models" in ended.stderr
    said = {"broken": "backend 'nothing'", "nobody": "model not found in any model repository"}
    assert said[model] in ended.stdout + ended.stderr
