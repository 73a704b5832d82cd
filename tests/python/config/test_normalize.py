"""Goal: what a config leaves out is filled in as Triton does, instance groups above all.

Method: tables of (config text, machine) and the one part of the result that matters.
"""

from __future__ import annotations

import pytest

from tritonpy.config import Devices, ModelConfig, normalize, parse_config
from tritonpy.protos.model_config_pb2 import ModelInstanceGroup

CPU_ONLY = Devices()
TWO_GPUS = Devices(gpus=(0, 1), gpu_support=True)


def normalized(text: str, devices: Devices = CPU_ONLY) -> ModelConfig:
    return normalize(parse_config(f'name: "m" {text}', "config.pbtxt"), devices)


def groups_of(config: ModelConfig) -> list[tuple[str, str, int, list[int]]]:
    return [
        (group.name, ModelInstanceGroup.Kind.Name(group.kind), group.count, list(group.gpus))
        for group in config.instance_group
    ]


@pytest.mark.parametrize(
    ("text", "devices", "expected"),
    [
        ("", CPU_ONLY, [("m", "KIND_CPU", 1, [])]),
        ('backend: "onnxruntime"', CPU_ONLY, [("m", "KIND_CPU", 2, [])]),
        ('platform: "onnxruntime_onnx"', CPU_ONLY, [("m", "KIND_CPU", 2, [])]),
        (
            'backend: "onnxruntime" instance_group { count: 1 kind: KIND_CPU }',
            CPU_ONLY,
            [("m_0", "KIND_CPU", 1, [])],
        ),
        (
            'backend: "onnxruntime" instance_group { kind: KIND_MODEL }',
            CPU_ONLY,
            [("m_0", "KIND_MODEL", 1, [])],
        ),
        (
            'instance_group { name: "a" count: 3 } instance_group { count: -2 }',
            CPU_ONLY,
            [("a", "KIND_CPU", 3, []), ("m_1", "KIND_CPU", 1, [])],
        ),
        ('backend: "onnxruntime"', TWO_GPUS, [("m", "KIND_GPU", 1, [0, 1])]),
        ("instance_group { gpus: 1 }", TWO_GPUS, [("m_0", "KIND_GPU", 1, [1])]),
        ("instance_group { gpus: 7 }", TWO_GPUS, [("m_0", "KIND_CPU", 1, [7])]),
        ("instance_group { kind: KIND_CPU }", TWO_GPUS, [("m_0", "KIND_CPU", 1, [])]),
        ("instance_group { kind: KIND_GPU }", CPU_ONLY, [("m_0", "KIND_GPU", 1, [])]),
        ('platform: "ensemble"', CPU_ONLY, []),
    ],
)
def test_instance_groups_are_completed(
    text: str, devices: Devices, expected: list[tuple[str, str, int, list[int]]]
) -> None:
    assert groups_of(normalized(text, devices)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max_batch_size: 8 dynamic_batching { }", [8]),
        ("max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 2, 4 ] }", [2, 4]),
        ("dynamic_batching { }", []),
    ],
)
def test_preferred_size_is_the_whole_batch_where_none_is_given(
    text: str, expected: list[int]
) -> None:
    assert list(normalized(text).dynamic_batching.preferred_batch_size) == expected


def test_sequence_batching_gets_idle_time_and_preferred_size() -> None:
    sequence = normalized("max_batch_size: 3 sequence_batching { oldest { } }").sequence_batching
    assert sequence.max_sequence_idle_microseconds == 1_000_000
    assert list(sequence.oldest.preferred_batch_size) == [3]
    given = "sequence_batching { max_sequence_idle_microseconds: 7 }"
    assert normalized(given).sequence_batching.max_sequence_idle_microseconds == 7


def test_version_policy_is_the_latest_one() -> None:
    assert normalized("").version_policy.latest.num_versions == 1
    assert normalized("version_policy { }").version_policy.latest.num_versions == 1
    assert normalized("version_policy { all { } }").version_policy.HasField("all")


def test_pinned_memory_is_on_but_for_ensembles() -> None:
    optimization = normalized("optimization { input_pinned_memory { } }").optimization
    assert not optimization.input_pinned_memory.enable
    assert optimization.output_pinned_memory.enable
    assert not normalized('platform: "ensemble"').HasField("optimization")


def test_backend_follows_from_platform() -> None:
    assert normalized('platform: "libtorch"').backend == "pytorch"
    assert normalized('platform: "mine"').backend == ""
    assert normalized('platform: "mine" backend: "b"').backend == "b"
