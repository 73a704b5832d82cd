"""Rules of the dynamic and the sequence batcher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tritonpy.protos.model_config_pb2 import (
    TYPE_INT32,
    TYPE_INT64,
    TYPE_INVALID,
    TYPE_STRING,
    TYPE_UINT32,
    TYPE_UINT64,
    ModelConfig,
    ModelQueuePolicy,
    ModelSequenceBatching,
)

_Control = ModelSequenceBatching.Control
_CORRID_TYPES = (TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32, TYPE_STRING)
# In the order in which the kinds are looked for.
_FLAG_KINDS = (
    _Control.CONTROL_SEQUENCE_START,
    _Control.CONTROL_SEQUENCE_END,
    _Control.CONTROL_SEQUENCE_READY,
)
_CORRID = _Control.CONTROL_SEQUENCE_CORRID
_FALSE_TRUE_FIELDS = ("int32_false_true", "fp32_false_true", "bool_false_true")
_FALSE_TRUE_NAMES = "'int32_false_true', 'fp32_false_true'{} 'bool_false_true'"


def dynamic_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with `dynamic_batching`."""
    if not config.HasField("dynamic_batching"):
        return
    dynamic, name = config.dynamic_batching, config.name
    for text in _preferred_problems(dynamic.preferred_batch_size, config.max_batch_size):
        yield f"dynamic batching preferred size {text} for {name}"
    levels = dynamic.priority_levels
    if levels != 0:
        if not 1 <= dynamic.default_priority_level <= levels:
            yield f"default priority level must be in range [1, {levels}] for {name}"
        if any(not 1 <= level <= levels for level in dynamic.priority_queue_policy):
            yield (
                f"priority queue policy must have priority level in range [1, {levels}] for {name}"
            )
    if dynamic.preserve_ordering:
        if levels > 1:
            yield (
                "Only one priority level is allowed when 'preserve_ordering' is true for " + name
            )
        policies = (dynamic.default_queue_policy, *dynamic.priority_queue_policy.values())
        if any(_delays(policy) for policy in policies):
            yield (
                "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is "
                f"true for {name}"
            )


def _delays(policy: ModelQueuePolicy) -> bool:
    # Without a timeout no request is ever late, and the action never taken.
    late = policy.default_timeout_microseconds != 0
    return late and policy.timeout_action == ModelQueuePolicy.DELAY


def _preferred_problems(sizes: Sequence[int], max_batch_size: int) -> Iterator[str]:
    if any(size <= 0 for size in sizes):
        yield "must be positive"
    if any(size > max(max_batch_size, 0) for size in sizes):
        yield "must be <= max batch size"


def sequence_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with `sequence_batching`."""
    if not config.HasField("sequence_batching"):
        return
    sequence, name = config.sequence_batching, config.name
    yield from _control_problems(sequence, name)
    if sequence.HasField("oldest"):
        sizes = sequence.oldest.preferred_batch_size
        for text in _preferred_problems(sizes, config.max_batch_size):
            yield f"sequence batching preferred batch size {text} for {name}"
    elif not 0.0 <= sequence.direct.minimum_slot_utilization <= 1.0:
        yield ("sequence batching minimum slot utilization must be in range (0.0, 1.0] for " + name)
    for state in sequence.state:
        yield from _state_problems(state)


def _control_problems(sequence: ModelSequenceBatching, name: str) -> Iterator[str]:
    names: set[str] = set()
    for tensor in sequence.control_input:
        if not tensor.name:
            yield f"sequence batching control tensor must have a name for {name}"
        elif tensor.name in names or len({control.kind for control in tensor.control}) > 1:
            yield (
                f"sequence batching control tensor '{tensor.name}' is specified for multiple "
                f"control kinds for {name}"
            )
        names.add(tensor.name)
    controls = [control for tensor in sequence.control_input for control in tensor.control]
    for kind in (*_FLAG_KINDS, _CORRID):
        kind_name = _Control.Kind.Name(kind)
        of_kind = [control for control in controls if control.kind == kind]
        if len(of_kind) > 1:
            yield f"sequence batching specifies multiple {kind_name} tensors for {name}"
        for control in of_kind:
            check = _corrid_problems if kind == _CORRID else _flag_problems
            yield from check(control, f"{kind_name} for {name}")


def _flag_problems(control: ModelSequenceBatching.Control, where: str) -> Iterator[str]:
    given = [field for field in _FALSE_TRUE_FIELDS if getattr(control, field)]
    if not given:
        names = _FALSE_TRUE_NAMES.format(" or")
        yield f"sequence batching must specify either {names} for {where}"
    elif len(given) > 1:
        names = _FALSE_TRUE_NAMES.format(" and")
        yield f"sequence batching specifies more than one from {names} for {where}"
    for field in given:
        if len(getattr(control, field)) != 2:
            yield f"sequence batching control '{field}' must have exactly 2 entries for {where}"


def _corrid_problems(control: ModelSequenceBatching.Control, where: str) -> Iterator[str]:
    if any(getattr(control, field) for field in _FALSE_TRUE_FIELDS):
        names = _FALSE_TRUE_NAMES.format(" or")
        yield f"sequence batching must not specify either {names} for {where}"
    if control.data_type not in _CORRID_TYPES:
        yield (
            f"unexpected data type for control {where}. Allowed data types are TYPE_UINT64, "
            "TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING"
        )


def _state_problems(state: ModelSequenceBatching.State) -> Iterator[str]:
    count = len(state.initial_state)
    subject = f"state input '{state.input_name}'"
    if count > 1:
        yield (
            f"initial_state field for {subject} must contain exactly one or zero element. "
            f"Found '{count}' elements."
        )
    for initial in state.initial_state:
        if not initial.name:
            yield f"Field 'name' must be set when using initial_state for {subject}."
        if initial.data_type != state.data_type or initial.data_type == TYPE_INVALID:
            yield f"initial_state 'data_type' must be the state's own for {subject}."
        if any(dim < 1 for dim in initial.dims):
            yield f"initial_state 'dims' must not be variable-size for {subject}."
        elif not _fits(initial.dims, state.dims):
            yield f"initial_state 'dims' must fit the state's own for {subject}."


def _fits(dims: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(dims) == len(wanted) and all(
        want in (-1, dim) for dim, want in zip(dims, wanted, strict=True)
    )
