"""Goal: each backend completes a config as it should. Method: configs, and made-up signatures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tritonpy.backends import BACKENDS, CompletionContext
from tritonpy.config import Devices, OnnxSignature, OnnxTensor, normalize, parse_config
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.worker_host import WorkerSpec

_FILE = Path("/models/m/1/model.onnx")
_SIGNATURE = OnnxSignature(
    inputs=(OnnxTensor("x", "FP32", (-1, 4)),), outputs=(OnnxTensor("y", "INT64", (-1,)),)
)


def _no_worker(spec: WorkerSpec) -> None:
    raise AssertionError(f"no worker is to complete {spec.model_name}")


def _context(
    auto_complete: bool = True, expected_libraries: Sequence[str] = ()
) -> CompletionContext:
    described: list[str] = []

    def describe(path: str, op_libraries: Sequence[str]) -> OnnxSignature:
        described.append(path)
        assert described == [str(_FILE)], "a file is read once"
        assert list(op_libraries) == list(expected_libraries)
        return _SIGNATURE

    return CompletionContext(
        describe_onnx_model=describe,
        complete_python_model=_no_worker,
        version=1,
        model_directory=_FILE.parents[1],
        devices=Devices(),
        auto_complete=auto_complete,
        default_max_batch_size=6,
    )


def _config(text: str) -> ModelConfig:
    return normalize(parse_config(f'name: "m" {text}', "test"), Devices())


def test_backends_are_found_by_their_names() -> None:
    assert {name: backend.name for name, backend in BACKENDS.items()} == {
        "onnxruntime": "onnxruntime",
        "identity": "identity",
        "python": "python",
    }


def test_onnxruntime_takes_what_the_config_leaves_out_from_the_file() -> None:
    given = _config('backend: "onnxruntime"')
    config = BACKENDS["onnxruntime"].complete(given, _FILE, _context())
    assert config.max_batch_size == 6
    assert [(tensor.name, list(tensor.dims)) for tensor in config.input] == [("x", [4])]
    assert [(tensor.name, list(tensor.dims)) for tensor in config.output] == [("y", [1])]
    assert config.HasField("dynamic_batching")
    assert not given.input, "the given config stays as it is"


def test_onnxruntime_reads_the_file_with_the_operators_that_its_config_names() -> None:
    text = 'backend: "onnxruntime" model_operations { op_library_filename: [ "a.so", "b.so" ] }'
    context = _context(expected_libraries=("a.so", "b.so"))
    assert BACKENDS["onnxruntime"].complete(_config(text), _FILE, context).input


def test_onnxruntime_without_auto_complete_takes_nothing() -> None:
    with pytest.raises(InvalidArgError, match="expects 0 inputs, model provides 1"):
        BACKENDS["onnxruntime"].complete(
            _config('backend: "onnxruntime"'), _FILE, _context(auto_complete=False)
        )


def test_onnxruntime_refuses_a_config_that_does_not_fit_the_file() -> None:
    tensors = 'input { name: "z" data_type: TYPE_FP32 dims: [ -1, 4 ] }'
    with pytest.raises(InvalidArgError, match="unexpected inference input 'z'"):
        BACKENDS["onnxruntime"].complete(
            _config(f'backend: "onnxruntime" {tensors}'), _FILE, _context(auto_complete=False)
        )


def test_onnxruntime_refuses_an_accelerator_that_nobody_knows() -> None:
    text = 'execution_accelerators { cpu_execution_accelerator { name: "magic" } }'
    with pytest.raises(
        InvalidArgError, match=r"^unknown Execution Accelerator 'magic' is requested$"
    ):
        BACKENDS["onnxruntime"].complete(
            _config(f'backend: "onnxruntime" optimization {{ {text} }}'), _FILE, _context()
        )
    config = BACKENDS["onnxruntime"].complete(
        _config(f'backend: "onnxruntime" optimization {{ {text.replace("magic", "openvino")} }}'),
        _FILE,
        _context(),
    )
    assert config.input[0].name == "x"


def test_identity_needs_no_file_and_keeps_its_config() -> None:
    tensors = 'input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }'
    given = _config(f'backend: "identity" max_batch_size: 3 {tensors}')
    backend = BACKENDS["identity"]
    assert not backend.needs_file
    assert backend.complete(given, Path("absent"), _context()) == given


def test_identity_refuses_a_config_that_breaks_a_rule() -> None:
    given = _config('backend: "identity" input { name: "x" dims: [ 4 ] }')
    with pytest.raises(InvalidArgError, match="model input 'x' must specify 'data_type' for m"):
        BACKENDS["identity"].complete(given, Path("absent"), _context())
