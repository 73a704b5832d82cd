"""Goal: a backend that is a Python file serves models that are a config and data.

Method: a backend that scales its input by a number in the model's directory, and two such models.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np

from tests.conformance.conftest import connect
from tests.conformance.running_server import RunningServer, ServerOptions

_BACKEND = """
    import pathlib
    import triton_python_backend_utils as pb_utils
    from arithmetic import scaled

    class TritonPythonModel:
        @staticmethod
        def auto_complete_config(config):
            tensor = {"data_type": "TYPE_FP32", "dims": [-1]}
            config.add_input({"name": "IN", **tensor})
            config.add_output({"name": "OUT", **tensor})
            return config

        def initialize(self, args):
            data = pathlib.Path(args["model_repository"]) / args["model_version"] / "factor"
            self.factor = float(data.read_text())
            assert pb_utils.get_model_dir() == args["model_repository"]

        def execute(self, requests):
            return [
                pb_utils.InferenceResponse(
                    [pb_utils.Tensor("OUT", scaled(r.inputs()[0].as_numpy(), self.factor))]
                )
                for r in requests
            ]
"""
_BESIDE = "def scaled(array, factor):\n    return (array * factor).astype(array.dtype)\n"


def test_models_share_the_file_of_their_backend(frontend: str, tmp_path: Path) -> None:
    home = tmp_path / "backends" / "scaling"
    home.mkdir(parents=True)
    (home / "model.py").write_text(textwrap.dedent(_BACKEND))
    (home / "arithmetic.py").write_text(_BESIDE)
    models = tmp_path / "models"
    for name, factor in (("twice", 2), ("thrice", 3)):
        version = models / name / "1"
        version.mkdir(parents=True)
        (version / "factor").write_text(str(factor))
        (models / name / "config.pbtxt").write_text('backend: "scaling"')
    options = ServerOptions(["--backend-directory", str(tmp_path / "backends")], frontend=frontend)
    with RunningServer(models, options) as server, connect("grpc", server) as client:
        data = np.array([1, 2, 3], np.float32)
        for name, factor in (("twice", 2), ("thrice", 3)):
            result = client.infer(name, {"IN": data})
            np.testing.assert_array_equal(result.as_numpy("OUT"), factor * data)
            config = client.raw.get_model_config(name).config
            assert (config.backend, config.input[0].name) == ("scaling", "IN")
