"""Questions about protobuf messages that their generated types do not answer."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, MutableSequence
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message


def descriptor_of(message: Message | type[Message]) -> Descriptor:
    """Return the descriptor of a message; the stubs leave open whose class it is."""
    return cast(Descriptor, message.DESCRIPTOR)


def value_field(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field that describes one value: of a map its value field, else the field."""
    item = field.message_type
    return (
        field if item is None or not item.GetOptions().map_entry else item.fields_by_name["value"]
    )


def has_presence(field: FieldDescriptor, value: object) -> bool:
    """Return whether "not set" differs from the default: singular messages, oneof members."""
    if isinstance(value, (MutableMapping, MutableSequence)):
        return False
    return field.message_type is not None or field.containing_oneof is not None


def _values(message: Message) -> Iterator[tuple[FieldDescriptor, str, Any]]:
    """Yield (field, path, value) for every single value set in `message`, not descending."""
    for field, value in message.ListFields():
        if isinstance(value, MutableMapping):
            for key, item in sorted(value.items()):
                yield value_field(field), f'{field.name}["{key}"]', item
        elif isinstance(value, MutableSequence):
            for index, item in enumerate(value):
                yield field, f"{field.name}[{index}]", item
        else:
            yield field, field.name, value


def unknown_enum_values(message: Message) -> Iterator[str]:
    """Yield a text for each enum field, however deep, whose number has no name.

    Both text and JSON forms may give enums by number, and proto3 keeps any number.
    """
    for field, path, value in _values(message):
        if field.message_type is not None:
            for problem in unknown_enum_values(value):
                yield f"{path}.{problem}"
        elif field.enum_type is not None and value not in field.enum_type.values_by_number:
            yield f"{path}: enum type '{field.enum_type.full_name}' has no value {value}"
