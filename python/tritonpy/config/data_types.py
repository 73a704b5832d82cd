"""The two spellings of a data type: TYPE_FP32 in a config, FP32 in the V2 protocol."""

from __future__ import annotations

from typing import Final, cast

from tritonpy.protos.model_config_pb2 import TYPE_BOOL, TYPE_INVALID, DataType


def wire_name(data_type: DataType) -> str:
    """Return the V2 name: the config's without `TYPE_`, but BYTES for TYPE_STRING."""
    name = DataType.Name(data_type).removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name


# The stubs of enum values lose their type in `values()`.
DATA_TYPES: Final = tuple(cast(DataType, number) for number in DataType.values())
_BY_WIRE_NAME: Final = {wire_name(data_type): data_type for data_type in DATA_TYPES}


def element_size(data_type: DataType) -> int:
    """Return the bytes of one element; 0 for TYPE_STRING, where each has its own."""
    digits = "".join(filter(str.isdigit, wire_name(data_type)))
    return int(digits) // 8 if digits else int(data_type == TYPE_BOOL)


def data_type_of(wire: str) -> DataType:
    """Return the config's data type of a V2 name; TYPE_INVALID where it has none."""
    return _BY_WIRE_NAME.get(wire, TYPE_INVALID)
