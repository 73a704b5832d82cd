"""Goal: `sequence_batching` reaches the core as the values that it means.

Method: configs as text, and files of initial states in a directory.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonpy.config.instance_groups import Devices
from tritonpy.config.lower_sequence import ControlSpec, SequenceBatchingSpec, lower_sequence
from tritonpy.config.normalize import normalize
from tritonpy.config.pbtxt import parse_config
from tritonpy.errors import InvalidArgError


def _lowered(text: str, directory: Path | None = None) -> SequenceBatchingSpec:
    config = parse_config(f'name: "m" sequence_batching {{ {text} }}', "config.pbtxt")
    spec = lower_sequence(normalize(config, Devices()), directory)
    assert spec is not None
    return spec


def _state(extra: str, data_type: str = "TYPE_FP32", dims: str = "[ 2 ]") -> str:
    initial = f'initial_state {{ name: "x" data_type: {data_type} dims: {dims} {extra} }}'
    return (
        f'state {{ input_name: "i" output_name: "o" data_type: {data_type} dims: [ -1 ] '
        f"{initial if extra else ''} }}"
    )


def test_a_model_without_sequences_has_none() -> None:
    assert lower_sequence(parse_config('name: "m"', "config.pbtxt"), None) is None


def test_strategies_and_their_settings() -> None:
    direct = _lowered("direct { max_queue_delay_microseconds: 5 minimum_slot_utilization: 0.5 }")
    assert not direct.oldest
    assert (direct.max_queue_delay_us, direct.min_slot_utilization) == (5, 0.5)
    assert direct.max_idle_us == 1_000_000
    oldest = _lowered(
        "max_sequence_idle_microseconds: 7 oldest { max_candidate_sequences: 3 "
        "preferred_batch_size: [ 4, 2 ] preserve_ordering: true }"
    )
    assert oldest.oldest
    assert (oldest.max_idle_us, oldest.max_candidate_sequences) == (7, 3)
    assert oldest.preferred_batch_sizes == (2, 4)
    assert oldest.preserve_ordering


def test_controls_have_the_type_of_their_values() -> None:
    spec = _lowered("""
        control_input [
          { name: "s" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 3, 4 ] } },
          { name: "e" control { kind: CONTROL_SEQUENCE_END fp32_false_true: [ -1, 1 ] } },
          { name: "r" control { kind: CONTROL_SEQUENCE_READY bool_false_true: [ false, true ] } },
          { name: "c" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } }
        ]""")
    assert spec.controls == (
        ControlSpec("s", "CONTROL_SEQUENCE_START", "INT32", 3, 4),
        ControlSpec("e", "CONTROL_SEQUENCE_END", "FP32", -1, 1),
        ControlSpec("r", "CONTROL_SEQUENCE_READY", "BOOL", 0, 1),
        ControlSpec("c", "CONTROL_SEQUENCE_CORRID", "BYTES", 0, 0),
    )


@pytest.mark.parametrize("extra", ["", "zero_data: true"])
def test_a_state_without_a_file_starts_with_zeros(extra: str) -> None:
    (state,) = _lowered(_state(extra)).states
    assert (state.dims, state.initial) == ((-1,), b"")
    assert state.initial_dims == ((2,) if extra else (1,))


@pytest.mark.parametrize(
    ("data_type", "data", "initial"),
    [
        ("TYPE_FP32", b"12345678", b"12345678"),
        ("TYPE_FP16", b"12345678", b"1234"),
        ("TYPE_BOOL", b"12345678", b"12"),
        ("TYPE_STRING", b"\1\0\0\0a\0\0\0\0 more", b"\1\0\0\0a\0\0\0\0"),
    ],
)
def test_a_file_has_the_bytes_of_the_state(
    tmp_path: Path, data_type: str, data: bytes, initial: bytes
) -> None:
    (tmp_path / "initial_state").mkdir()
    (tmp_path / "initial_state" / "f").write_bytes(data)
    (state,) = _lowered(_state('data_file: "f"', data_type), tmp_path).states
    assert state.initial == initial


@pytest.mark.parametrize("file", ["../secret", "/etc/hostname"])
def test_a_file_outside_of_its_directory_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / "secret").write_bytes(b"12345678")
    (tmp_path / "initial_state").mkdir()
    with pytest.raises(InvalidArgError) as raised:
        _lowered(_state(f'data_file: "{file}"'), tmp_path)
    assert raised.value.message == (
        f"initial state 'x' of state input 'i': data_file '{file}' is outside of the model's "
        "initial_state directory"
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "failed to read"),
        (b"1234", "expects 8 bytes, but the data provided from f only has 4 bytes"),
    ],
)
def test_a_file_that_is_missing_or_too_short_is_refused(
    tmp_path: Path, data: bytes | None, problem: str
) -> None:
    (tmp_path / "initial_state").mkdir()
    if data is not None:
        (tmp_path / "initial_state" / "f").write_bytes(data)
    with pytest.raises(InvalidArgError, match=problem):
        _lowered(_state('data_file: "f"'), tmp_path)
