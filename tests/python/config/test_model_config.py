"""Goal: the core gets plain values, and what the server leaves undone is said.

Method: normalised configs are lowered and compared as values; label files are read from disk.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonpy.config import (
    CoreModelConfig,
    Devices,
    DynamicBatchingSpec,
    InstanceSpec,
    QueuePolicySpec,
    ResourceNeed,
    TensorSpec,
    data_type_of,
    gpu_features,
    lower,
    normalize,
    parse_config,
    read_labels,
    unsupported_features,
    unsupported_scheduler,
    wire_name,
)
from tritonpy.config.data_types import DATA_TYPES
from tritonpy.config.model_metrics import first_response_bounds_ms
from tritonpy.errors import InternalError, UnsupportedError
from tritonpy.protos.model_config_pb2 import TYPE_INVALID

TWO_GPUS = Devices(gpus=(3, 5), gpu_support=True)


def lowered(text: str, devices: Devices) -> CoreModelConfig:
    config = parse_config(f'name: "m" backend: "b" {text}', "config.pbtxt")
    return lower(normalize(config, devices), 7, "/models/m/7/model.b", {"y": ("cat", "dog")})


EVERY_VALUE = """
max_batch_size: 8
input { name: "x" data_type: TYPE_STRING dims: [ 1 ] reshape { } }
input {
  name: "r" data_type: TYPE_FP32 dims: -1
  optional: true allow_ragged_batch: true is_shape_tensor: true
}
output { name: "y" data_type: TYPE_BF16 dims: [ 2, 3 ] reshape { shape: 6 } }
dynamic_batching {
  preferred_batch_size: [ 4, 2, 4 ]
  max_queue_delay_microseconds: 100
  preserve_ordering: true
  priority_levels: 1
  default_priority_level: 1
  default_queue_policy {
    max_queue_size: 9 default_timeout_microseconds: 10 allow_timeout_override: true
  }
  priority_queue_policy { key: 1 value { timeout_action: DELAY } }
}
instance_group { name: "g" count: 2 kind: KIND_CPU }
instance_group { kind: KIND_MODEL passive: true host_policy: "own" }
parameters { key: "k" value { string_value: "v" } }
optimization { graph { level: -1 } }
model_operations { op_library_filename: [ "a.so", "b.so" ] }
model_transaction_policy { decoupled: true }
"""


def test_every_value_reaches_the_core() -> None:
    core = lowered(EVERY_VALUE, Devices())
    assert core == CoreModelConfig(
        name="m",
        version=7,
        backend="b",
        model_path="/models/m/7/model.b",
        max_batch_size=8,
        inputs=(
            TensorSpec("x", "BYTES", dims=(1,), reshape=()),
            TensorSpec(
                "r",
                "FP32",
                dims=(-1,),
                optional=True,
                allow_ragged_batch=True,
                is_shape_tensor=True,
            ),
        ),
        outputs=(TensorSpec("y", "BF16", dims=(2, 3), reshape=(6,), labels=("cat", "dog")),),
        instances=(
            InstanceSpec("g_0", "KIND_CPU", device_id=0, passive=False, host_policy="cpu"),
            InstanceSpec("g_1", "KIND_CPU", device_id=0, passive=False, host_policy="cpu"),
            InstanceSpec("m_1_0", "KIND_MODEL", device_id=0, passive=True, host_policy="own"),
        ),
        dynamic_batching=DynamicBatchingSpec(
            preferred_batch_sizes=(2, 4),
            max_queue_delay_us=100,
            preserve_ordering=True,
            priority_levels=1,
            default_priority_level=1,
            default_queue_policy=QueuePolicySpec(9, 10, allow_timeout_override=True),
            priority_queue_policy={1: QueuePolicySpec(delays=True)},
        ),
        parameters={"k": "v"},
        graph_level=-1,
        decoupled=True,
        op_libraries=("a.so", "b.so"),
    )


def test_instances_count_over_the_devices_of_their_group() -> None:
    core = lowered("instance_group { count: 2 }", TWO_GPUS)
    assert [(spec.name, spec.device_id, spec.host_policy) for spec in core.instances] == [
        ("m_0_0", 3, "gpu_3"),
        ("m_0_1", 3, "gpu_3"),
        ("m_0_2", 5, "gpu_5"),
        ("m_0_3", 5, "gpu_5"),
    ]


def test_what_instances_need_reaches_the_core() -> None:
    resources = 'resources { name: "R1" count: 3 } resources { name: "G" global: true count: 1 }'
    core = lowered(
        f"instance_group {{ rate_limiter {{ {resources} priority: 2 }} }} instance_group {{ }}",
        Devices(),
    )
    limited, plain = core.instances
    assert limited.priority == 2
    assert limited.resources == (ResourceNeed("R1", False, 3), ResourceNeed("G", True, 1))
    assert (plain.priority, plain.resources) == (1, ())


def test_a_config_asks_for_the_response_cache() -> None:
    assert lowered("response_cache { enable: true }", Devices()).response_cache
    assert not lowered("", Devices()).response_cache


def test_batching_and_graph_level_that_are_not_given_are_none() -> None:
    core = lowered("", Devices())
    assert core.dynamic_batching is None
    assert core.graph_level is None


def test_queue_policies_hold_without_a_batch_dimension() -> None:
    policy = "default_queue_policy { max_queue_size: 2 }"
    core = lowered(f"dynamic_batching {{ {policy} }}", Devices())
    assert core.max_batch_size == 0
    assert core.dynamic_batching is not None
    assert core.dynamic_batching.default_queue_policy == QueuePolicySpec(max_queue_size=2)


def test_endless_queue_delay_fits_the_clock_of_the_core() -> None:
    delay = "max_queue_delay_microseconds: 18446744073709551615"
    timeout = "default_timeout_microseconds: 18446744073709551615"
    batching = f"dynamic_batching {{ {delay} default_queue_policy {{ {timeout} }} }}"
    core = lowered(f"max_batch_size: 2 {batching}", Devices())
    assert core.dynamic_batching is not None
    assert core.dynamic_batching.max_queue_delay_us * 1000 < 2**63
    assert core.dynamic_batching.default_queue_policy.default_timeout_us * 1000 < 2**63


def test_data_types_have_one_wire_name_each() -> None:
    for data_type in DATA_TYPES:
        assert data_type_of(wire_name(data_type)) == data_type
    assert wire_name(data_type_of("BYTES")) == "BYTES"
    assert data_type_of("STRING") == TYPE_INVALID
    assert data_type_of("FP8") == TYPE_INVALID


def test_states_that_the_backend_does_not_keep_are_named() -> None:
    config = parse_config('name: "m" backend: "b" sequence_batching { state { } }', "config.pbtxt")
    assert unsupported_scheduler(config) == (
        "'sequence_batching.state' is not supported by backend 'b', model 'm' cannot be served"
    )


@pytest.mark.parametrize("text", ["", "dynamic_batching { preserve_ordering: true }"])
def test_what_is_done_is_not_named(text: str) -> None:
    config = normalize(parse_config(f'name: "m" backend: "b" {text}', "config.pbtxt"), Devices())
    assert unsupported_scheduler(config) is None
    assert unsupported_features(config) == []


ACCELERATED = "optimization { execution_accelerators { cpu_execution_accelerator { } } }"
ACCELERATOR = "optimization.execution_accelerators.cpu_execution_accelerator"
GRAPH = "optimization { graph { level: 1 } }"
LIBRARY = 'model_operations { op_library_filename: "l" }'


@pytest.mark.parametrize(
    ("text", "feature", "reason"),
    [
        (
            LIBRARY,
            "model_operations.op_library_filename",
            "only backend onnxruntime loads such libraries",
        ),
        (
            'parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "b.so" } }',
            "parameters.TRITON_BATCH_STRATEGY_PATH",
            "this server loads no libraries that form batches",
        ),
        (ACCELERATED, ACCELERATOR, "only backend onnxruntime has accelerators"),
        (
            f'backend: "onnxruntime" {ACCELERATED}',
            ACCELERATOR,
            "the installed onnxruntime has no OpenVINO provider, and its own for CPUs runs the "
            "model",
        ),
        (
            "optimization { eager_batching: true }",
            "optimization.eager_batching",
            "an instance forms its next batch when it is free",
        ),
        (GRAPH, "optimization.graph", "only backend onnxruntime optimises graphs"),
        (
            "sequence_batching { state { use_same_buffer_for_input_output: true } }",
            "sequence_batching.state.use_same_buffer_for_input_output",
            "a state is handed on as the output that it was, without a copy",
        ),
    ],
)
def test_setting_without_effect_is_named(text: str, feature: str, reason: str) -> None:
    config = parse_config(f'name: "m" {text}', "config.pbtxt")
    told = [f"'{feature}' has no effect for model 'm': {reason}"]
    assert unsupported_features(config) == told
    assert gpu_features(config) is None


@pytest.mark.parametrize("text", [LIBRARY, GRAPH])
def test_settings_of_onnx_models_are_not_named_for_them(text: str) -> None:
    config = parse_config(f'name: "m" backend: "onnxruntime" {text}', "config.pbtxt")
    assert unsupported_features(config) == []


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ('cc_model_filenames { key: "7.5" value: "f" }', "cc_model_filenames"),
        ("optimization { priority: PRIORITY_MAX }", "optimization.priority"),
        ("optimization { cuda { } }", "optimization.cuda"),
        (
            "optimization { execution_accelerators { gpu_execution_accelerator { } } }",
            "optimization.execution_accelerators.gpu_execution_accelerator",
        ),
        (
            "optimization { gather_kernel_buffer_threshold: 1 }",
            "optimization.gather_kernel_buffer_threshold",
        ),
        (
            "optimization { input_pinned_memory { enable: false } }",
            "optimization.input_pinned_memory",
        ),
        (
            "optimization { output_pinned_memory { } }",
            "optimization.output_pinned_memory",
        ),
        (
            "sequence_batching { state { use_growable_memory: true } }",
            "sequence_batching.state.use_growable_memory",
        ),
        ("instance_group { secondary_devices { } }", "instance_group.secondary_devices"),
        ('instance_group { profile: "p" }', "instance_group.profile"),
    ],
)
def test_setting_of_gpus_is_named_as_one(text: str, feature: str) -> None:
    config = parse_config(f'name: "m" {text}', "config.pbtxt")
    assert unsupported_features(config) == []
    assert gpu_features(config) == (
        f"settings of model 'm' that concern only GPUs have no effect: '{feature}'"
    )


def test_settings_of_gpus_share_a_line() -> None:
    text = 'name: "m" optimization { cuda { } } instance_group { profile: "p" }'
    line = gpu_features(parse_config(text, "config.pbtxt"))
    assert line is not None
    assert line.endswith(": 'optimization.cuda', 'instance_group.profile'")


def test_buckets_of_first_responses_are_the_configs_last_or_the_default() -> None:
    control = (
        'metric_control { metric_identifier { family: "nv_inference_first_response_histogram_ms" } '
        "histogram_options { buckets: [ %s ] } }"
    )
    text = f'name: "m" model_metrics {{ {control % "1"} {control % "0.5, 20"} }}'
    config = parse_config(text, "config.pbtxt")
    assert first_response_bounds_ms(config) == (0.5, 20)
    assert unsupported_features(config) == []
    assert first_response_bounds_ms(parse_config("", "config.pbtxt")) == (100, 500, 2000, 5000)


def test_metric_without_buckets_of_choice_is_named() -> None:
    family = 'metric_control { metric_identifier { family: "f" } }'
    config = parse_config(f'name: "m" model_metrics {{ {family} }}', "config.pbtxt")
    assert unsupported_features(config) == [
        "Metric family 'f' in 'metric_identifier' is not a customizable metric in Triton core."
    ]


def labels_of(filename: str, model_dir: Path) -> dict[str, tuple[str, ...]]:
    output = f'output {{ name: "y" label_filename: "{filename}" }} output {{ name: "z" }}'
    return read_labels(parse_config(f'name: "m" {output}', "config.pbtxt"), model_dir)


def test_labels_are_the_lines_of_their_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "labels.txt").write_bytes("cat\r\n\nd\u2028og\n".encode())
    expected = {"y": ("cat", "", "d\u2028og")}
    assert labels_of("sub/labels.txt", tmp_path) == expected
    assert labels_of("sub/../sub/labels.txt", tmp_path) == expected


@pytest.mark.parametrize("filename", ["../labels.txt", "a/../../labels.txt", "/etc/passwd"])
def test_label_file_outside_the_model_is_refused(filename: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        labels_of(filename, tmp_path)
    assert caught.value.message == (
        f"label file path '{filename}' for output 'y' in model 'm' is outside model directory"
    )


def test_label_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    for filename in ("missing", "binary"):
        with pytest.raises(InternalError) as caught:
            labels_of(filename, tmp_path)
        path = tmp_path / filename
        assert caught.value.message.startswith(f"failed to open text file for read {path}: ")
