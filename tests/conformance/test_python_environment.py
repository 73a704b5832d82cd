"""Goal: what Python models find around them is what Triton's users rely on.

Method: models that tell of their surroundings, or use them: an environment of their own, the other
models of the server, their own word on whether they are ready.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_CONFIG = """
    backend: "python"
    input [ { name: "IN" data_type: TYPE_STRING dims: [ 1 ] } ]
    output [ { name: "OUT" data_type: TYPE_STRING dims: [ 1 ] } ]
"""
_TELLING = """
    import json, os, sys
    import numpy as np
    import triton_python_backend_utils as pb_utils
    from beside_version import WORD
    from beside_model import OTHER_WORD

    class TritonPythonModel:
        def initialize(self, args):
            self.args = args

        def execute(self, requests):
            told = {
                "args": self.args,
                "prefix": sys.prefix,
                "variable": os.environ.get("OF_THE_SERVER"),
                "words": [WORD, OTHER_WORD],
                "directory": pb_utils.get_model_dir(),
            }
            output = np.array([json.dumps(told).encode()], np.object_)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", output)])]
"""
_CONTROLLING = """
    import json
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            (request,) = requests
            words = request.inputs()[0].as_numpy()[0].decode().split()
            try:
                result = getattr(pb_utils, words[0])(*words[1:])
            except pb_utils.TritonModelException as error:
                result = str(error)
            output = np.array([json.dumps(result).encode()], np.object_)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", output)])]
"""
_CHECKING = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.is_well = True

        def execute(self, requests):
            self.is_well = requests[0].inputs()[0].as_numpy()[0] == b"well"
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor("OUT", r.inputs()[0].as_numpy())])
                for r in requests
            ]

        async def is_ready(self):
            return self.is_well
"""


def _ask(client: Client, model: str, text: str) -> bytes:
    result = client.infer(model, {"IN": np.array([text.encode()], np.object_)})
    (answer,) = result.as_numpy("OUT")
    assert isinstance(answer, bytes)
    return answer


def _write_telling(repository: Path, config: str = "") -> Path:
    file = write_python_model(repository, "telling", _TELLING, _CONFIG + config)
    (file.parent / "beside_version.py").write_text("WORD = 'version'\n")
    (file.parents[1] / "beside_model.py").write_text("OTHER_WORD = 'model'\n")
    return file.parents[1]


def _environment(directory: Path) -> Path:
    """Make a virtual environment that sees the packages of ours, numpy above all."""
    venv.create(directory, with_pip=False, symlinks=True)
    ours = sysconfig.get_path("purelib")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (directory / "lib" / version / "site-packages" / "ours.pth").write_text(f"{ours}\n")
    return directory


def test_a_model_is_told_where_it_is(frontend: str, tmp_path: Path) -> None:
    directory = _write_telling(tmp_path)
    options = ServerOptions(frontend=frontend, environment={"OF_THE_SERVER": "inherited"})
    with RunningServer(tmp_path, options) as server, connect("grpc", server) as client:
        told = json.loads(_ask(client, "telling", ""))
    config = json.loads(told["args"].pop("model_config"))
    assert (config["name"], config["backend"]) == ("telling", "python")
    assert told["args"] == {
        "model_instance_kind": "CPU",
        "model_instance_name": "telling_0",
        "model_instance_device_id": "0",
        "model_repository": str(directory),
        "model_version": "1",
        "model_name": "telling",
    }
    assert told["prefix"] == sys.prefix
    assert told["variable"] == "inherited"
    assert told["words"] == ["version", "model"]
    assert told["directory"] == str(directory)


@pytest.mark.parametrize("packed", [False, True], ids=["directory", "archive"])
def test_a_model_runs_in_the_environment_that_it_names(
    frontend: str, tmp_path: Path, packed: bool
) -> None:
    name = "env.tar.gz" if packed else "env"
    parameter = 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "%s" } }'
    directory = _write_telling(tmp_path / "models", parameter % f"$$TRITON_MODEL_DIRECTORY/{name}")
    home = _environment(directory / "env")
    if packed:
        with tarfile.open(directory / name, "w:gz") as archive:
            archive.add(home, arcname=".")
    cache = tmp_path / "cache"
    options = ServerOptions(frontend=frontend, environment={"XDG_CACHE_HOME": str(cache)})
    models = tmp_path / "models"
    with RunningServer(models, options) as server, connect("http", server) as client:
        told = json.loads(_ask(client, "telling", ""))
    if packed:
        (home,) = (cache / "tritonpy" / "environments").iterdir()
    assert told["prefix"] == str(home)


def test_a_model_loads_and_unloads_other_models(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "controlling", _CONTROLLING, _CONFIG)
    write_python_model(tmp_path, "other")
    arguments = ["--model-control-mode", "explicit", "--load-model", "controlling"]
    options = ServerOptions(arguments, frontend=frontend)
    with RunningServer(tmp_path, options) as server, connect("grpc", server) as client:

        def ask(text: str) -> Any:
            return json.loads(_ask(client, "controlling", text))

        assert ask("is_model_ready other") is False
        assert ask("load_model other") is None
        assert ask("is_model_ready other") is True
        assert ask("is_model_ready other 1") is True
        assert ask("is_model_ready other one").startswith(
            "Failed to check model readiness: failed to get model version from specified version "
            "string 'one'"
        )
        assert client.raw.is_model_ready("other")
        assert ask("unload_model other") is None
        assert not client.raw.is_model_ready("other")
        assert ask("load_model nobody") == (
            "Failed to load model: failed to load 'nobody', failed to poll from model repository: "
            "model not found in any model repository"
        )


def test_models_control_others_in_explicit_mode_only(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "controlling", _CONTROLLING, _CONFIG)
    options = ServerOptions(frontend=frontend)
    with RunningServer(tmp_path, options) as server, connect("grpc", server) as client:
        assert json.loads(_ask(client, "controlling", "load_model controlling")) == (
            "Failed to load model: explicit model load / unload is not allowed if polling is "
            "enabled"
        )


def test_a_model_has_its_own_word_on_whether_it_is_ready(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "checking", _CHECKING, _CONFIG)
    with RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server:
        for protocol in ("http", "grpc"):
            with connect(protocol, server) as client:
                assert client.raw.is_model_ready("checking")
                _ask(client, "checking", "ill")
                assert not client.raw.is_model_ready("checking")
                assert client.raw.is_server_ready(), "its worker can run"
                _ask(client, "checking", "well")
                assert client.raw.is_model_ready("checking")


def test_an_environment_that_is_none_is_the_reason(frontend: str, tmp_path: Path) -> None:
    parameter = 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/no/such" } }'
    write_python_model(tmp_path, "m", config=_CONFIG + parameter)
    arguments = ["--model-control-mode", "explicit"]
    options = ServerOptions(arguments, frontend=frontend)
    refused = pytest.raises(InferenceServerException, match="'/no/such' does not exist")
    with RunningServer(tmp_path, options) as server, connect("http", server) as client, refused:
        client.raw.load_model("m")
