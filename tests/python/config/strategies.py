"""Hypothesis strategies for configs: any message at all, and configs that break no rule."""

from __future__ import annotations

from typing import Any, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from tritonpy.config.data_types import DATA_TYPES
from tritonpy.config.fields import descriptor_of, value_field
from tritonpy.protos.model_config_pb2 import (
    ModelConfig,
    ModelDynamicBatching,
    ModelInput,
    ModelInstanceGroup,
    ModelOutput,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.text("abcXYZ019_.-", min_size=1, max_size=8)

_OF_TYPE: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32, allow_nan=False),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
}


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    nested = field.message_type
    if nested is not None:
        return st.deferred(lambda: messages(nested))
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return _OF_TYPE[field.type]


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    """Draw any message of a type: every field set or not, no care for meaning."""
    message = message_factory.GetMessageClass(descriptor)()
    if descriptor.fields:
        for field in draw(st.lists(st.sampled_from(list(descriptor.fields)), max_size=3)):
            _set_field(draw, message, field)
    return message


def _set_field(draw: st.DrawFn, message: Message, field: FieldDescriptor) -> None:
    item = value_field(field)
    target = getattr(message, field.name)
    if item is not field:
        entry = cast(Descriptor, field.message_type)
        key = draw(_values(entry.fields_by_name["key"]))
        if item.message_type is None:
            target[key] = draw(_values(item))
        else:
            target[key].CopyFrom(draw(_values(item)))
    elif field.is_repeated:
        target.extend(draw(st.lists(_values(field), max_size=2)))
    elif field.message_type is not None:
        target.CopyFrom(draw(_values(field)))
        target.SetInParent()
    else:
        setattr(message, field.name, draw(_values(field)))


def any_configs() -> st.SearchStrategy[ModelConfig]:
    """Draw any ModelConfig message, most of them nonsense."""
    drawn = messages(descriptor_of(ModelConfig))
    return drawn.map(lambda message: cast(ModelConfig, message))


_DIMS = st.lists(st.just(-1) | st.integers(1, 5), min_size=1, max_size=4)


def _flat(dims: list[int]) -> list[int]:
    """Return an equivalent shape: runs of fixed dimensions multiplied out."""
    flat: list[int] = []
    for dim in dims:
        if flat and dim != -1 and flat[-1] != -1:
            flat[-1] *= dim
        else:
            flat.append(dim)
    return flat


def _fill_tensor(draw: st.DrawFn, target: ModelInput | ModelOutput, name: str) -> None:
    target.name = name
    target.data_type = draw(st.sampled_from(DATA_TYPES[1:]))
    target.dims.extend(draw(_DIMS))
    if draw(st.booleans()):
        target.reshape.shape.extend(_flat(list(target.dims)))


@st.composite
def _dynamic_batching(draw: st.DrawFn, max_batch_size: int) -> ModelDynamicBatching:
    dynamic = ModelDynamicBatching(max_queue_delay_microseconds=draw(st.integers(0, 10**6)))
    if max_batch_size > 0:
        dynamic.preferred_batch_size.extend(draw(st.lists(st.integers(1, max_batch_size))))
    dynamic.preserve_ordering = draw(st.booleans())
    if not dynamic.preserve_ordering:
        dynamic.priority_levels = draw(st.integers(0, 3))
        dynamic.default_priority_level = draw(st.integers(1, max(1, dynamic.priority_levels)))
    dynamic.default_queue_policy.max_queue_size = draw(st.integers(0, 100))
    return dynamic


@st.composite
def valid_configs(draw: st.DrawFn) -> ModelConfig:
    """Draw a config, not normalised, that breaks no rule on a machine without GPU."""
    config = ModelConfig(name=draw(NAMES), max_batch_size=draw(st.integers(0, 8)))
    kind = draw(st.sampled_from([("onnxruntime_onnx", ""), ("", "onnxruntime"), ("", "identity")]))
    config.platform, config.backend = kind
    for name in draw(st.lists(NAMES, unique=True, max_size=3)):
        _fill_tensor(draw, config.input.add(), name)
    for name in draw(st.lists(NAMES, unique=True, max_size=3)):
        _fill_tensor(draw, config.output.add(), name)
    if draw(st.booleans()):
        config.dynamic_batching.CopyFrom(draw(_dynamic_batching(config.max_batch_size)))
    for _ in range(draw(st.integers(0, 2))):
        group = config.instance_group.add(count=draw(st.integers(-1, 3)))
        group.kind = draw(
            st.sampled_from([ModelInstanceGroup.KIND_AUTO, ModelInstanceGroup.KIND_CPU])
        )
        group.name = draw(st.just("") | NAMES)
    for key, text in draw(st.dictionaries(NAMES, TEXTS, max_size=2)).items():
        config.parameters[key].string_value = text
    if draw(st.booleans()):
        config.version_policy.all.SetInParent()
    return config
