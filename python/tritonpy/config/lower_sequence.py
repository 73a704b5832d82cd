"""`sequence_batching` lowered to plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tritonpy.config.data_types import element_size, wire_name
from tritonpy.config.lower_dynamic_batching import TIME_MAX_US
from tritonpy.config.model_files import leads_out
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import (
    TYPE_BOOL,
    TYPE_FP32,
    TYPE_INT32,
    TYPE_STRING,
    ModelConfig,
    ModelSequenceBatching,
)

_Control = ModelSequenceBatching.Control
_BYTES_LENGTH_SIZE: Final = 4


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """A tensor that tells the model about the sequence."""

    name: str
    kind: str  # CONTROL_SEQUENCE_START, _READY, _END or _CORRID
    data_type: str  # as the V2 protocol calls it
    when_false: float
    when_true: float


@dataclass(frozen=True, slots=True)
class StateSpec:
    """A tensor that one request of a sequence leaves for the next; dims without the batch's."""

    input_name: str
    output_name: str
    data_type: str
    dims: tuple[int, ...]
    initial_dims: tuple[int, ...]  # no -1
    initial: bytes  # of the first request; empty: zeros or empty strings


@dataclass(frozen=True, slots=True)
class SequenceBatchingSpec:
    """How sequences are scheduled: direct, or oldest."""

    oldest: bool
    max_idle_us: int
    max_queue_delay_us: int
    min_slot_utilization: float
    max_candidate_sequences: int
    preferred_batch_sizes: tuple[int, ...]
    preserve_ordering: bool
    iterative: bool
    controls: tuple[ControlSpec, ...]
    states: tuple[StateSpec, ...]
    delay_until_backlogged: int = 0  # test hook: run nothing until so many sequences wait


def lower_sequence(
    config: ModelConfig, model_directory: Path | None, delay_until_backlogged: int = 0
) -> SequenceBatchingSpec | None:
    """Return how the model's sequences are scheduled; None where it has none.

    `model_directory` has the files of initial states; None where the model has no directory.
    REQUIRES: `config` is normalised and valid. InvalidArgError where such a file is not what it
    must be.
    """
    if not config.HasField("sequence_batching"):
        return None
    sequence = config.sequence_batching
    oldest = sequence.oldest
    strategy = oldest if sequence.HasField("oldest") else sequence.direct
    return SequenceBatchingSpec(
        oldest=sequence.HasField("oldest"),
        max_idle_us=min(sequence.max_sequence_idle_microseconds, TIME_MAX_US),
        max_queue_delay_us=min(strategy.max_queue_delay_microseconds, TIME_MAX_US),
        min_slot_utilization=sequence.direct.minimum_slot_utilization,
        max_candidate_sequences=max(oldest.max_candidate_sequences, 1),
        preferred_batch_sizes=tuple(sorted(set(oldest.preferred_batch_size))),
        preserve_ordering=oldest.preserve_ordering,
        iterative=sequence.iterative_sequence,
        controls=tuple(_controls(sequence)),
        states=tuple(_state(state, model_directory) for state in sequence.state),
        delay_until_backlogged=delay_until_backlogged,
    )


def _controls(sequence: ModelSequenceBatching) -> Iterator[ControlSpec]:
    for tensor in sequence.control_input:
        for control in tensor.control:
            data_type = control.data_type
            when_false, when_true = 0.0, 0.0
            if control.int32_false_true:
                data_type = TYPE_INT32
                when_false, when_true = map(float, control.int32_false_true)
            elif control.fp32_false_true:
                data_type = TYPE_FP32
                when_false, when_true = control.fp32_false_true
            elif control.bool_false_true:
                data_type = TYPE_BOOL
                when_false, when_true = map(float, control.bool_false_true)
            kind = _Control.Kind.Name(control.kind)
            yield ControlSpec(tensor.name, kind, wire_name(data_type), when_false, when_true)


def _state(state: ModelSequenceBatching.State, directory: Path | None) -> StateSpec:
    dims = tuple(state.dims)
    initial_dims = tuple(1 if dim < 0 else dim for dim in dims)
    data = b""
    for initial in state.initial_state:
        initial_dims = tuple(initial.dims)
        if initial.WhichOneof("state_data") == "data_file":
            data = _initial_data(state, initial, directory)
    return StateSpec(
        input_name=state.input_name,
        output_name=state.output_name,
        data_type=wire_name(state.data_type),
        dims=dims,
        initial_dims=initial_dims,
        initial=data,
    )


def _initial_data(
    state: ModelSequenceBatching.State,
    initial: ModelSequenceBatching.InitialState,
    directory: Path | None,
) -> bytes:
    """Return the bytes of the tensor in the file, which may be longer."""
    subject = f"initial state '{initial.name}' of state input '{state.input_name}'"
    if leads_out(initial.data_file):
        raise InvalidArgError(
            f"{subject}: data_file '{initial.data_file}' is outside of the model's "
            "initial_state directory"
        )
    path = (directory or Path()) / "initial_state" / initial.data_file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidArgError(f"{subject}: failed to read '{path}': {error.strerror}") from error
    wanted = _tensor_size(state, initial, data)
    if len(data) < wanted:
        raise InvalidArgError(
            f"{subject} expects {wanted} bytes, but the data provided from {initial.data_file} "
            f"only has {len(data)} bytes"
        )
    return data[:wanted]


def _tensor_size(
    state: ModelSequenceBatching.State, initial: ModelSequenceBatching.InitialState, data: bytes
) -> int:
    elements = 1
    for dim in initial.dims:
        elements *= dim
    if state.data_type != TYPE_STRING:
        return elements * element_size(state.data_type)
    size = 0
    for _ in range(elements):  # each is its length and its bytes
        end = size + _BYTES_LENGTH_SIZE
        size = end + int.from_bytes(data[size:end], "little")
        if size > len(data):
            break
    return size
