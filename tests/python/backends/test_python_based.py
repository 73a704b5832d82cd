"""Goal: a backend that is a Python file is found where it is, and nothing else is.

Method: backend directories made on the spot.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonpy.backends import find_backend
from tritonpy.backends.backend import Backend
from tritonpy.config import Devices, normalize, parse_config
from tritonpy.errors import InvalidArgError, TritonError, UnsupportedError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.worker_host import WorkerSpec


def _config(text: str) -> ModelConfig:
    return normalize(parse_config(f'name: "m" {text}', "test"), Devices())


def _write(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    return file


def _spec(backend: Backend, config: ModelConfig, directory: Path) -> WorkerSpec:
    assert backend.worker_spec is not None
    assert backend.file is not None
    return backend.worker_spec(config, 1, backend.file, directory)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ('backend: "mine"', "mine/model.py"),
        ('backend: "mine" runtime: "other.py"', "mine/other.py"),
        ('backend: "onnxruntime" runtime: "model.py"', "onnxruntime/model.py"),
    ],
)
def test_file_of_the_backend_runs_its_models(tmp_path: Path, text: str, file: str) -> None:
    expected = _write(tmp_path / file)
    config = _config(text)
    backend = find_backend(config, tmp_path)
    assert (backend.name, backend.executor, backend.file) == (config.backend, "python", expected)
    spec = _spec(backend, config, Path("/models/m"))
    assert (spec.model_path, spec.model_directory) == (str(expected), "/models/m")
    assert spec.execution_env_path == ""


def test_environment_beside_the_file_is_for_models_that_name_none(tmp_path: Path) -> None:
    _write(tmp_path / "mine" / "model.py")
    archive = _write(tmp_path / "mine" / "pb_exec_env_model.py.tar.gz")
    named = 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/env" } }'
    for text, expected in (("", str(archive)), (named, "/env")):
        config = _config(f'backend: "mine" {text}')
        spec = _spec(find_backend(config, tmp_path), config, tmp_path)
        assert spec.execution_env_path == expected


@pytest.mark.parametrize("runtime", ["", 'runtime: "libtriton_identity.so"'])
def test_backends_of_this_build_come_first(tmp_path: Path, runtime: str) -> None:
    _write(tmp_path / "identity" / "model.py")
    assert find_backend(_config(f'backend: "identity" {runtime}'), tmp_path).file is None


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            'backend: "absent"',
            InvalidArgError,
            "unable to find backend library for backend 'absent', try specifying runtime on the "
            "model configuration.",
        ),
        (
            'backend: "../elsewhere"',
            InvalidArgError,
            "unable to find backend library for backend '../elsewhere', try specifying runtime on "
            "the model configuration.",
        ),
        (
            'backend: "mine" runtime: "../../elsewhere/model.py"',
            InvalidArgError,
            "backend library name '../../elsewhere/model.py' escapes backend directory "
            "'{backends}/mine', for model 'm', check model config runtime field",
        ),
        (
            'backend: "mine" runtime: "absent.py"',
            InvalidArgError,
            "unable to find backend library 'absent.py' for model 'm', searched: {backends}/mine",
        ),
        (
            'backend: "onnxruntime" runtime: "libother.so"',
            InvalidArgError,
            "unable to find backend library 'libother.so' for model 'm', searched: "
            "{backends}/onnxruntime",
        ),
        (
            'backend: "python" runtime: "../libother.so"',
            InvalidArgError,
            "backend library name '../libother.so' escapes backend directory '{backends}/python', "
            "for model 'm', check model config runtime field",
        ),
        (
            'backend: "native"',
            UnsupportedError,
            "backend 'native' of model 'm' is the shared library "
            "'{backends}/native/libtriton_native.so', and this server runs only backends that are "
            "Python",
        ),
    ],
)
def test_what_is_no_python_backend_is_refused(
    tmp_path: Path, text: str, error: type[TritonError], message: str
) -> None:
    backends = tmp_path / "backends"
    _write(tmp_path / "elsewhere" / "model.py")
    _write(backends / "mine" / "model.py")
    _write(backends / "native" / "libtriton_native.so")
    with pytest.raises(error) as raised:
        find_backend(_config(text), backends)
    assert raised.value.message == message.format(backends=backends)
