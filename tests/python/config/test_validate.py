"""Goal: every rule answers with its exact text, all mistakes of a config at once, in order.

Method: tables of (config text, expected problems). Each text is added to a valid model "m", which
is normalised first, as a loaded config is; the list of problems is compared whole.
"""

from __future__ import annotations

import pytest

from tritonpy.config import Devices, normalize, parse_config, require_valid, validate
from tritonpy.errors import InvalidArgError

CPU_ONLY = Devices()
TWO_GPUS = Devices(gpus=(0, 1), gpu_support=True)


def problems_of(text: str, devices: Devices = CPU_ONLY) -> list[str]:
    return validate(normalize(parse_config(text, "config.pbtxt"), devices), devices)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('backend: "b"', "model configuration must specify 'name'"),
        ('name: "m"', "must specify 'platform' or 'backend' for m"),
        (
            'name: "m" platform: "tensorrt_plan" backend: "onnxruntime"',
            "unexpected 'platform' and 'backend' pair, got:tensorrt_plan, onnxruntime",
        ),
        (
            'name: "m" platform: "mine" backend: "onnxruntime"',
            "unexpected 'platform' and 'backend' pair, got:mine, onnxruntime",
        ),
        (
            'name: "m" platform: "onnxruntime_onnx" backend: "mine"',
            "unexpected 'platform' and 'backend' pair, got:onnxruntime_onnx, mine",
        ),
        ('name: "m" platform: "mine"', "unexpected platform type 'mine' for m"),
        (
            'name: "m" backend: "b" max_batch_size: -1',
            "'max_batch_size' must be non-negative value for m",
        ),
    ],
)
def test_model_rule_has_its_text(text: str, expected: str) -> None:
    assert problems_of(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        'platform: "mine" backend: "b"',
        'platform: "libtorch" backend: "pytorch"',
        'platform: "onnxruntime_onnx"',
        'backend: "onnxruntime"',
    ],
)
def test_platform_and_backend_that_go_together_are_accepted(text: str) -> None:
    assert problems_of(f'name: "m" {text}') == []


@pytest.mark.parametrize("tensor", ["input", "output"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data_type: TYPE_FP32 dims: 1", "must specify 'name'"),
        ('name: "x" dims: 1', "'x' must specify 'data_type'"),
        ('name: "x" data_type: TYPE_FP32', "'x' must specify 'dims'"),
        (
            'name: "x" data_type: TYPE_FP32 dims: 0',
            "'x' dimension must be integer >= 1, or -1 to indicate a variable-size dimension",
        ),
        (
            'name: "x" data_type: TYPE_FP32 dims: -2 reshape { shape: 5 }',
            "'x' dimension must be integer >= 1, or -1 to indicate a variable-size dimension",
        ),
        (
            'name: "x" data_type: TYPE_FP32 dims: 1 reshape { shape: 0 }',
            "'x' reshape dimensions must be integer >= 1, or -1 to indicate a variable-size "
            "dimension",
        ),
        (
            'name: "x" data_type: TYPE_FP32 dims: 1 reshape { }',
            "'x' cannot have empty reshape for non-batching model as scalar tensors are not "
            "supported",
        ),
        (
            'name: "x" data_type: TYPE_FP32 dims: [2, 3] reshape { shape: 5 }',
            "'x' has different size for dims and reshape",
        ),
        (
            'name: "x" data_type: TYPE_FP32 dims: [2, -1, 3] reshape { shape: [3, -1, 2] }',
            "'x' has different size for dims and reshape",
        ),
        (
            'name: "x" data_type: TYPE_FP32 dims: -1 reshape { shape: 4 }',
            "'x' has different size for dims and reshape",
        ),
        (
            'name: "x" data_type: TYPE_FP32 dims: [-1, -1] reshape { shape: -1 }',
            "'x' has different number of variable-size dimensions for dims and reshape",
        ),
    ],
)
def test_tensor_rule_has_its_text(tensor: str, text: str, expected: str) -> None:
    problems = problems_of(f'name: "m" backend: "b" {tensor} {{ {text} }}')
    assert problems == [f"model {tensor} {expected} for m"]


@pytest.mark.parametrize(
    ("reshape", "dims"), [("[6]", "[2, 3]"), ("[2, -1, 3]", "[1, 2, -1, 3]"), ("[]", "[1]")]
)
def test_reshape_of_same_size_is_accepted(reshape: str, dims: str) -> None:
    tensor = f'name: "x" data_type: TYPE_FP32 dims: {dims} reshape {{ shape: {reshape} }}'
    text = f'name: "m" backend: "b" max_batch_size: 1 input {{ {tensor} }} output {{ {tensor} }}'
    assert problems_of(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'input { name: "x" data_type: TYPE_FP32 dims: [3, 4] format: FORMAT_NHWC }',
            "model input NHWC/NCHW require 3 dims for m",
        ),
        (
            'input { name: "x" data_type: TYPE_INT32 dims: 3 is_shape_tensor: true }',
            "shape tensors are only supported for TensorRT platform for m",
        ),
        (
            'output { name: "x" data_type: TYPE_FP32 dims: [1, 2, 3] '
            "is_non_linear_format_io: true }",
            "Non-linear IO format is only supported for the TensorRT platform for m",
        ),
    ],
)
def test_format_rule_has_its_text(text: str, expected: str) -> None:
    assert problems_of(f'name: "m" backend: "b" {text}') == [expected]


def test_non_linear_format_of_tensorrt_needs_three_dims() -> None:
    text = 'input { name: "x" data_type: TYPE_FP32 dims: 1 is_non_linear_format_io: true }'
    expected = ["Non-linear IO format requires 3 dims for m"]
    assert problems_of(f'name: "m" platform: "tensorrt_plan" {text}') == expected


BATCH_IO_MODEL = (
    'name: "m" backend: "b" input { name: "x" data_type: TYPE_FP32 dims: -1 } '
    'output { name: "y" data_type: TYPE_FP32 dims: -1 } '
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "batch_input { kind: BATCH_ITEM_SHAPE data_type: TYPE_INT32 }",
            "batch input kind 'BATCH_ITEM_SHAPE' expects 1 source input, got 0",
        ),
        (
            'batch_input { data_type: TYPE_INT64 source_input: "x" }',
            "batch input data type must be TYPE_INT32 or TYPE_FP32",
        ),
        (
            'batch_input { data_type: TYPE_FP32 source_input: "z" }',
            "unknown source input name 'z'",
        ),
        (
            'batch_output { target_name: "y" source_input: ["x", "x"] }',
            "batch output kind 'BATCH_SCATTER_WITH_INPUT_SHAPE' expects 1 source input, got 2",
        ),
        (
            'batch_output { target_name: "z" source_input: "x" }',
            "unknown target output name 'z'",
        ),
        (
            'batch_output { target_name: ["y", "y"] source_input: "x" }',
            "target output name 'y' can only be specified once",
        ),
    ],
)
def test_batch_io_rule_has_its_text(text: str, expected: str) -> None:
    assert problems_of(BATCH_IO_MODEL + text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'instance_group { name: "g" kind: KIND_MODEL gpus: 0 }',
            "instance group g of model m has kind KIND_MODEL but specifies one or more GPUs",
        ),
        (
            "instance_group { kind: KIND_CPU gpus: 0 }",
            "instance group m_0 of model m has kind KIND_CPU but specifies one or more GPUs",
        ),
        (
            "instance_group { kind: KIND_GPU }",
            "instance group m_0 of model m has kind KIND_GPU but server does not support GPUs",
        ),
        (
            "instance_group { count: 2000000000 }",
            "instance group m_0 of model m specifies count 2000000000, at most 1024 instances are "
            "allowed",
        ),
    ],
)
def test_instance_group_rule_has_its_text(text: str, expected: str) -> None:
    assert problems_of(f'name: "m" backend: "b" {text}') == [expected]


@pytest.mark.parametrize(
    ("devices", "text", "expected"),
    [
        (Devices(gpu_support=True), "", "but no GPUs are available"),
        (
            TWO_GPUS,
            "gpus: 7",
            "specifies invalid or unsupported gpu id 7. GPUs with at least the minimum required "
            "CUDA compute compatibility of 6.0 are: 0, 1",
        ),
    ],
)
def test_gpu_rule_depends_on_machine(devices: Devices, text: str, expected: str) -> None:
    model = f'name: "m" backend: "b" instance_group {{ kind: KIND_GPU {text} }}'
    problems = problems_of(model, devices)
    assert len(problems) == 1
    assert problems[0].startswith("instance group m_0 of model m has kind KIND_GPU but ")
    assert problems[0].endswith(expected)


def test_group_that_was_never_normalised_is_named_as_missing() -> None:
    config = parse_config('name: "m" backend: "b" version_policy { all { } }', "config.pbtxt")
    assert validate(config, CPU_ONLY) == ["must specify one or more 'instance group's for m"]
    config.ClearField("version_policy")
    assert validate(config, CPU_ONLY)[0] == "must specify 'version policy' for m"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "metric_control { histogram_options { buckets: 1 } }",
            "metric control must specify 'metric_identifier'",
        ),
        (
            "metric_control { metric_identifier { } histogram_options { buckets: 1 } }",
            "metric identifier must specify non-empty 'family'",
        ),
        (
            'metric_control { metric_identifier { family: "f" } }',
            "metric control must specify 'histogram_options'",
        ),
        (
            'metric_control { metric_identifier { family: "f" } histogram_options { } }',
            "histogram options must specify non-empty 'buckets'",
        ),
        (
            'metric_control { metric_identifier { family: "f" } '
            "histogram_options { buckets: [ 1, 3, 3 ] } }",
            "histogram options must specify 'buckets' that ascend, got [1.0, 3.0, 3.0]",
        ),
        (
            'metric_control { metric_identifier { family: "f" } '
            "histogram_options { buckets: [ 1, inf ] } }",
            "histogram options must specify 'buckets' that ascend, got [1.0, inf]",
        ),
    ],
)
def test_metric_rule_has_its_text(text: str, expected: str) -> None:
    assert problems_of(f'name: "m" backend: "b" model_metrics {{ {text} }}') == [expected]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sequence_batching { }", "sequence batching scheduler"),
        ("model_transaction_policy { decoupled: true }", "'decoupled' transaction policy"),
    ],
)
def test_response_cache_rule_has_its_text(text: str, reason: str) -> None:
    model = f'name: "m" backend: "b" response_cache {{ enable: true }} {text}'
    assert problems_of(model) == [
        f"Response Cache does not currently support model m with {reason}. Please disable the "
        "response cache."
    ]


def test_all_problems_of_a_config_are_reported_in_order_one_a_line() -> None:
    text = """
      name: "m"
      backend: "b"
      max_batch_size: 4
      dynamic_batching { preferred_batch_size: [-1, 9] }
      instance_group { kind: KIND_GPU }
      input { name: "x" data_type: TYPE_FP32 }
      input { dims: 0 }
      output { name: "y" dims: 1 }
      batch_input { data_type: TYPE_FP32 source_input: "nope" }
    """
    expected = [
        "dynamic batching preferred size must be positive for m",
        "dynamic batching preferred size must be <= max batch size for m",
        "instance group m_0 of model m has kind KIND_GPU but server does not support GPUs",
        "model input 'x' must specify 'dims' for m",
        "model input must specify 'name' for m",
        "model input '' must specify 'data_type' for m",
        "model input '' dimension must be integer >= 1, or -1 to indicate a variable-size "
        "dimension for m",
        "model output 'y' must specify 'data_type' for m",
        "unknown source input name 'nope'",
    ]
    assert problems_of(text) == expected
    config = normalize(parse_config(text, "config.pbtxt"), CPU_ONLY)
    with pytest.raises(InvalidArgError) as caught:
        require_valid(config, CPU_ONLY)
    assert caught.value.message == "\n".join(expected)


def test_single_problem_is_the_whole_message() -> None:
    config = normalize(parse_config('name: "m"', "config.pbtxt"), CPU_ONLY)
    with pytest.raises(InvalidArgError) as caught:
        require_valid(config, CPU_ONLY)
    assert caught.value.message == "must specify 'platform' or 'backend' for m"
