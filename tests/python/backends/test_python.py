"""Goal: a Python model's config is what its file and the model itself say.

Method: configs, model files as text, and a model's answer made up in place of a worker.
"""

from __future__ import annotations

import gc
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tritonpy.backends import BACKENDS, CompletionContext
from tritonpy.config import Devices, OnnxSignature, config_to_json, normalize, parse_config
from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.worker_host import WorkerSpec

_PYTHON = BACKENDS["python"]
_PLAIN = """
    class TritonPythonModel:
        def execute(self, requests):
            return []
"""
_COMPLETING = """
    class TritonPythonModel:
        @staticmethod
        def auto_complete_config(config):
            return config
"""
_TENSORS = """
    input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
    output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }
"""


class Model:
    """One model file, and what the model says when it is asked to complete its config."""

    def __init__(self, directory: Path, source: str = _COMPLETING) -> None:
        self.file = directory / "1" / "model.py"
        self.file.parent.mkdir()
        self.file.write_text(textwrap.dedent(source))
        self.says: Mapping[str, Any] | None = None
        self.asked: list[WorkerSpec] = []
        self.told: dict[str, str] = {}

    def complete(self, text: str, *, auto_complete: bool = True) -> ModelConfig:
        config = normalize(parse_config(f'name: "m" backend: "python" {text}', "test"), Devices())
        context = CompletionContext(
            describe_onnx_model=_no_onnx,
            complete_python_model=self._answer,
            version=3,
            model_directory=self.file.parents[1],
            devices=Devices(),
            auto_complete=auto_complete,
            default_max_batch_size=4,
            tell=self.told.__setitem__,
        )
        return _PYTHON.complete(config, self.file, context)

    def _answer(self, spec: WorkerSpec) -> Mapping[str, Any] | None:
        self.asked.append(spec)
        return self.says


def _no_onnx(path: str, _op_libraries: Sequence[str]) -> OnnxSignature:
    raise AssertionError(f"{path} is no ONNX model")


def test_what_a_model_says_replaces_what_its_config_has(tmp_path: Path) -> None:
    model = Model(tmp_path)
    model.says = {
        "name": "ignored",
        "max_batch_size": 8,
        "input": [{"name": "a", "data_type": "TYPE_STRING", "dims": [-1], "optional": True}],
        "output": [{"name": "b", "data_type": "TYPE_FP32", "dims": [2]}],
        "dynamic_batching": {},
        "model_transaction_policy": {"decoupled": True},
    }
    config = model.complete('input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }')
    assert config.name == "m"
    assert config.max_batch_size == 8
    assert [(tensor.name, tensor.optional) for tensor in config.input] == [("a", True)]
    assert [list(tensor.dims) for tensor in config.output] == [[2]]
    assert list(config.dynamic_batching.preferred_batch_size) == [8]
    assert config.model_transaction_policy.decoupled
    (spec,) = model.asked
    assert (spec.model_name, spec.model_version) == ("m", 3)
    assert (spec.model_path, spec.model_directory) == (str(model.file), str(tmp_path))


def test_a_whole_config_said_back_changes_nothing(tmp_path: Path) -> None:
    model = Model(tmp_path)
    text = f"max_batch_size: 2 dynamic_batching {{ max_queue_delay_microseconds: 7 }} {_TENSORS}"
    plain = model.complete(text)
    model.says = config_to_json(plain)
    assert model.complete(text) == plain
    assert model.told == {}


def test_what_a_model_says_is_told_and_what_follows_from_it(tmp_path: Path) -> None:
    model = Model(tmp_path)
    given = model.complete(_TENSORS)
    model.says = {**config_to_json(given), "max_batch_size": 8, "dynamic_batching": {}}
    model.says["input"].append({"name": "more", "data_type": "TYPE_FP32", "dims": [1]})
    model.complete(_TENSORS)
    said = "inferred: the model's own auto_complete_config says so"
    assert model.told == {
        "max_batch_size": said,
        "input[more]": said,
        "dynamic_batching": said,
        "dynamic_batching.preferred_batch_size": "default: max_batch_size",
    }


@pytest.mark.parametrize("says", [None, {}])
def test_a_model_that_says_nothing_keeps_its_config(
    tmp_path: Path, says: Mapping[str, Any] | None
) -> None:
    model = Model(tmp_path)
    model.says = says
    assert [tensor.name for tensor in model.complete(_TENSORS).input] == ["x"]


def test_a_model_that_says_nonsense_does_not_load(tmp_path: Path) -> None:
    model = Model(tmp_path)
    model.says = {"input": [{"name": "a", "data_type": "TYPE_NONE"}]}
    with pytest.raises(InternalError, match=r"^auto_complete_config of model 'm' returned a conf"):
        model.complete("")
    model.says = {"input": [{"name": "a", "data_type": "TYPE_FP32"}]}
    with pytest.raises(InvalidArgError, match="model input 'a' must specify 'dims' for m"):
        model.complete("")


def test_no_model_is_asked_without_auto_complete(tmp_path: Path) -> None:
    model = Model(tmp_path)
    assert model.complete(_TENSORS, auto_complete=False).input
    assert not model.asked


@pytest.mark.parametrize(
    ("source", "is_asked"),
    [
        (_PLAIN, False),
        (_PLAIN.replace("Model:", "Model(object):"), False),
        (_COMPLETING, True),
        (_PLAIN.replace("Model:", "Model(Base):"), True),
        ("@wrapped" + _PLAIN, True),
        (_PLAIN + "        auto_complete_config = something\n", True),
        ("from elsewhere import TritonPythonModel\n", True),
        ("import tritonpy\n@tritonpy.model\ndef f(x: int) -> int: ...\n", True),
        ("class TritonPythonModel: pass\nclass TritonPythonModel(Base): pass\n", True),
        ("this is no Python\n", True),
        ("\0", True),
    ],
)
def test_only_a_plain_class_without_the_method_is_not_asked(
    tmp_path: Path, source: str, is_asked: bool
) -> None:
    model = Model(tmp_path, textwrap.dedent(source))
    model.complete(_TENSORS)
    assert bool(model.asked) is is_asked


def test_a_file_that_is_not_there_is_named_as_triton_does() -> None:
    error = _PYTHON.missing_file(Path("/m/1/model.py"), "m_0_0")
    assert isinstance(error, InternalError)
    assert error.message == (
        "Failed to preinitialize Python stub: Python model file not found in '/m/1/model.py'"
    )


def test_device_of_inputs_is_yes_or_no(tmp_path: Path) -> None:
    model = Model(tmp_path, _PLAIN)
    text = 'parameters { key: "FORCE_CPU_ONLY_INPUT_TENSORS" value { string_value: "%s" } } '
    for value in ("yes", "no"):
        model.complete(text % value + _TENSORS)
    with pytest.raises(
        InvalidArgError, match=r"^Incorrect value for FORCE_CPU_ONLY_INPUT_TENSORS: maybe'$"
    ):
        model.complete(text % "maybe" + _TENSORS)


def test_the_spec_is_carried_as_text(tmp_path: Path) -> None:
    model = Model(tmp_path, _PLAIN)
    environment = 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/env" } }'
    config = model.complete(environment + _TENSORS)
    assert _PYTHON.worker_spec is not None
    spec = _PYTHON.worker_spec(config, 3, model.file, tmp_path)
    assert spec.execution_env_path == "/env"
    assert WorkerSpec.from_text(spec.to_text()) == spec


@pytest.fixture
def restless() -> Iterator[None]:
    """Let threads take turns whenever objects are made: where Python code runs, others may."""

    def run_some(*_: object) -> None:
        sum(number for number in range(100))

    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(run_some)
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)
    gc.callbacks.remove(run_some)


@pytest.mark.usefixtures("restless")
def test_files_are_looked_at_on_several_threads(tmp_path: Path) -> None:
    deep = "x = (((((1 + 2) * 3) - f(a[b(c(d))]))))\n" * 200
    model = Model(tmp_path, deep + textwrap.dedent(_PLAIN))
    with ThreadPoolExecutor(4) as pool:
        for config in [pool.submit(model.complete, _TENSORS) for _ in range(80)]:
            assert config.result().name == "m"
