"""The JSON form of a ModelConfig: what `/config` answers and what a load override gives.

It is protobuf's JSON with the field names of the `.proto` file, every default printed, and enums
by name. Protobuf prints 64-bit integers as strings; here they are numbers, but for three fields
that Triton leaves as strings.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, MutableMapping, MutableSequence
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tritonpy.config.fields import descriptor_of, has_presence, unknown_enum_values, value_field
from tritonpy.errors import InvalidArgError
from tritonpy.protos import POOL
from tritonpy.protos.model_config_pb2 import ModelConfig

_SINGLE_MAX: Final = (2 - 2**-23) * 2.0**127
_QUOTED_INTEGERS: Final = frozenset(
    {
        "inference.ModelSequenceBatching.InitialState.dims",
        "inference.ModelOptimizationPolicy.Cuda.GraphSpec.Shape.dim",
        "inference.ModelInstanceGroup.SecondaryDevice.device_id",
    }
)


def config_to_json(config: ModelConfig) -> dict[str, Any]:
    """Return the config as JSON values, keys in the order of the `.proto` file.

    Messages that are not set, and members of a oneof that are not set, have no key.
    """
    return _message_to_json(config)


def config_from_json(source: str | bytes | Mapping[str, Any]) -> ModelConfig:
    """Read a config from JSON text or from its values; enum names may be in any case.

    Raises InvalidArgError `Invalid config override: <reason>`, also for unknown fields.
    """
    config = ModelConfig()
    try:
        # RecursionError: the JSON parser meets a text nested thousands deep.
        values = source if isinstance(source, Mapping) else json.loads(source)
        if not isinstance(values, Mapping):
            raise ValueError("the config must be a JSON object")
        prepared = _with_enum_names(values, descriptor_of(ModelConfig))
        json_format.ParseDict(prepared, config, descriptor_pool=POOL)
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidArgError(f"Invalid config override: {reason}") from error
    problems = list(unknown_enum_values(config))
    if problems:
        raise InvalidArgError(f"Invalid config override: {'; '.join(problems)}")
    return config


def _message_to_json(message: Message) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for field in descriptor_of(message).fields:
        value = getattr(message, field.name)
        if has_presence(field, value) and not message.HasField(field.name):
            continue
        if isinstance(value, MutableMapping):
            item_field = value_field(field)
            result[field.name] = {
                str(key): _value_to_json(item_field, item) for key, item in sorted(value.items())
            }
        elif isinstance(value, MutableSequence):
            result[field.name] = [_value_to_json(field, item) for item in value]
        else:
            result[field.name] = _value_to_json(field, value)
    return result


def _value_to_json(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Message):
        return _message_to_json(value)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    if isinstance(value, float):
        return _float_to_json(value, single=field.type == FieldDescriptor.TYPE_FLOAT)
    return str(value) if field.full_name in _QUOTED_INTEGERS else value


def _float_to_json(value: float, *, single: bool) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return _shortest_single(value) if single else value


def _shortest_single(value: float) -> float:
    """Return the double with the fewest digits that is `value` in single precision."""
    for digits in range(6, 10):
        candidate = float(f"{value:.{digits}g}")
        # Readers refuse a number beyond the largest single, even one that rounds to it.
        is_single = abs(candidate) <= _SINGLE_MAX
        if is_single and struct.unpack("f", struct.pack("f", candidate))[0] == value:
            return candidate
    return value


def _with_enum_names(values: Mapping[str, Any], message: Descriptor) -> dict[str, Any]:
    """Return `values` with enum names in upper case, as protobuf knows them."""
    return {name: _enum_names_in(_field_of(message, name), value) for name, value in values.items()}


def _field_of(message: Descriptor, name: str) -> FieldDescriptor | None:
    by_name = message.fields_by_name.get(name)
    return by_name if by_name is not None else message.fields_by_camelcase_name.get(name)


def _enum_names_in(field: FieldDescriptor | None, value: Any) -> Any:
    if field is None:  # the parser names the unknown field
        return value
    if isinstance(value, list):
        return [_enum_names_in(field, item) for item in value]
    item_field = value_field(field)
    if item_field is not field:
        if not isinstance(value, Mapping):
            return value
        return {key: _enum_names_in(item_field, item) for key, item in value.items()}
    if field.enum_type is not None:
        return value.upper() if isinstance(value, str) else value
    if field.message_type is not None and isinstance(value, Mapping):
        return _with_enum_names(value, field.message_type)
    return value
