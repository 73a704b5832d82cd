"""Goal: a model's files tell what it is, unless its config already does.

Method: listings of one version directory against configs, then real directories for the two
stages that the server runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonpy.config import (
    Devices,
    OnnxSignature,
    OnnxTensor,
    artefact_path,
    core_stage,
    onnx_stage,
    parse_config,
    validate,
)
from tritonpy.config.autocomplete import complete_from_files, first_version_listing
from tritonpy.errors import InvalidArgError

CPU_ONLY = Devices()


def completed(text: str, *files: str, directory: str = "m") -> tuple[str, str, str]:
    config = parse_config(text, "config.pbtxt")
    done = complete_from_files(config, directory, frozenset(files))
    return done.platform, done.backend, done.default_model_filename


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("model.savedmodel", ("tensorflow_savedmodel", "tensorflow")),
        ("model.graphdef", ("tensorflow_graphdef", "tensorflow")),
        ("model.plan", ("tensorrt_plan", "tensorrt")),
        ("model.onnx", ("onnxruntime_onnx", "onnxruntime")),
        ("model.xml", ("", "openvino")),
        ("model.pt", ("pytorch_libtorch", "pytorch")),
        ("model.pt2", ("torch_aoti", "pytorch")),
        ("model.py", ("", "python")),
    ],
)
def test_file_tells_platform_and_backend(filename: str, expected: tuple[str, str]) -> None:
    assert completed("", "README.md", filename) == (*expected, filename)


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        # The search order decides between several files, the config restricts the search.
        ("", ("model.py", "model.onnx"), ("onnxruntime_onnx", "onnxruntime", "model.onnx")),
        ('backend: "python"', ("model.py", "model.onnx"), ("", "python", "model.py")),
        (
            'backend: "onnxruntime"',
            ("model.onnx",),
            ("onnxruntime_onnx", "onnxruntime", "model.onnx"),
        ),
        (
            'platform: "torch_aoti"',
            ("model.pt", "model.pt2"),
            ("torch_aoti", "pytorch", "model.pt2"),
        ),
        # A file name that is given is kept; without files the usual name is expected.
        (
            'backend: "onnxruntime" default_model_filename: "a.onnx"',
            ("a.onnx",),
            ("", "onnxruntime", "a.onnx"),
        ),
        ('backend: "onnxruntime"', (), ("", "onnxruntime", "model.onnx")),
        ('platform: "onnxruntime_onnx"', (), ("onnxruntime_onnx", "onnxruntime", "model.onnx")),
        ('backend: "identity"', ("model.onnx",), ("", "identity", "")),
        ('platform: "mine"', ("model.onnx",), ("mine", "", "")),
        ('platform: "ensemble"', ("model.onnx",), ("ensemble", "", "")),
    ],
)
def test_config_restricts_what_files_tell(
    text: str, files: tuple[str, ...], expected: tuple[str, str, str]
) -> None:
    assert completed(text, *files) == expected


def test_name_tells_the_backend_at_last() -> None:
    assert completed("", directory="m.mine") == ("", "mine", "model.mine")
    with pytest.raises(InvalidArgError) as caught:
        completed("")
    assert caught.value.message == (
        "Invalid model name: Could not determine backend for model 'm' with no backend in model "
        "configuration. Expected model name of the form 'model.<backend_name>'."
    )


def test_a_stray_directory_does_not_hide_the_versions(tmp_path: Path) -> None:
    for name in ("03", "-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"file{name}").touch()
    assert first_version_listing(tmp_path) == frozenset({"file-old"}), "better than nothing"
    (tmp_path / "4").mkdir()
    assert first_version_listing(tmp_path) == frozenset()
    (tmp_path / "4" / "model.onnx").touch()
    assert first_version_listing(tmp_path) == frozenset({"model.onnx"})


def test_only_the_first_directory_by_name_is_looked_into(tmp_path: Path) -> None:
    assert first_version_listing(tmp_path) == frozenset()
    assert first_version_listing(tmp_path / "missing") == frozenset()
    for version in ("9", "10", ".hidden"):
        (tmp_path / version).mkdir()
        (tmp_path / version / f"file{version}").touch()
    (tmp_path / "0").touch()
    assert first_version_listing(tmp_path) == frozenset({"file10"})


def test_artefact_of_onnx_may_be_a_directory(tmp_path: Path) -> None:
    config = parse_config('backend: "onnxruntime"', "config.pbtxt")
    assert artefact_path(config, tmp_path) == tmp_path / "model.onnx"
    (tmp_path / "model.onnx").mkdir()
    assert artefact_path(config, tmp_path) == tmp_path / "model.onnx" / "model.onnx"
    other = parse_config('backend: "mine"', "config.pbtxt")
    assert artefact_path(other, tmp_path) == tmp_path / "model.mine"


def onnx_model_dir(tmp_path: Path) -> Path:
    model_dir = tmp_path / "m"
    (model_dir / "1").mkdir(parents=True, exist_ok=True)
    (model_dir / "1" / "model.onnx").touch()
    return model_dir


def test_onnx_file_alone_makes_a_whole_config(tmp_path: Path) -> None:
    empty = parse_config("", "config.pbtxt")
    core = core_stage(empty, onnx_model_dir(tmp_path), CPU_ONLY)
    signature = OnnxSignature(
        inputs=(OnnxTensor("x", "FP32", (-1, 3)),), outputs=(OnnxTensor("y", "INT64", (-1,)),)
    )
    expected = parse_config(
        """
        name: "m" platform: "onnxruntime_onnx" backend: "onnxruntime"
        version_policy { latest { num_versions: 1 } }
        max_batch_size: 4
        input { name: "x" data_type: TYPE_FP32 dims: 3 }
        output { name: "y" data_type: TYPE_INT64 dims: 1 reshape { } }
        optimization { input_pinned_memory { enable: true } output_pinned_memory { enable: true } }
        dynamic_batching { preferred_batch_size: 4 }
        instance_group { name: "m" kind: KIND_CPU count: 2 }
        default_model_filename: "model.onnx"
        """,
        "expected",
    )
    assert onnx_stage(core, signature, CPU_ONLY) == expected
    assert empty.ByteSize() == 0


def test_config_that_names_another_model_is_refused(tmp_path: Path) -> None:
    config = parse_config('name: "other"', "config.pbtxt")
    with pytest.raises(InvalidArgError) as caught:
        core_stage(config, onnx_model_dir(tmp_path), CPU_ONLY)
    assert caught.value.message == (
        "unexpected directory name 'm' for model 'other', directory name must equal model name"
    )


def test_without_auto_complete_nothing_is_read_from_files(tmp_path: Path) -> None:
    config = parse_config('name: "m"', "config.pbtxt")
    core = core_stage(config, onnx_model_dir(tmp_path), CPU_ONLY, auto_complete=False)
    assert validate(core, CPU_ONLY) == ["must specify 'platform' or 'backend' for m"]
    given = parse_config('name: "m" backend: "onnxruntime"', "config.pbtxt")
    core = core_stage(given, onnx_model_dir(tmp_path), CPU_ONLY, auto_complete=False)
    signature = OnnxSignature(inputs=(OnnxTensor("x", "FP32", (-1,)),), outputs=())
    with pytest.raises(InvalidArgError) as caught:
        onnx_stage(core, signature, CPU_ONLY, auto_complete=False)
    assert caught.value.message == (
        "unable to load model 'm', configuration expects 0 inputs, model provides 1"
    )
