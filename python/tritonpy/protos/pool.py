"""Loads the compiled `.proto` files into a private descriptor pool.

The build compiles `protos/` into `descriptors.binpb` beside this file (see `generate.py`); no
generated Python code is involved, so any protobuf release that can read descriptors will do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

_DESCRIPTOR_SET: Final = Path(__file__).with_name("descriptors.binpb")


def new_pool() -> descriptor_pool.DescriptorPool:
    """Return a fresh pool that holds our files, for callers that want to add files of their own.

    Raises ImportError where the package was not built.
    """
    try:
        serialized = _DESCRIPTOR_SET.read_bytes()
    except FileNotFoundError as error:
        raise ImportError(
            f"{_DESCRIPTOR_SET} is missing: build the package, or run "
            "`python python/tritonpy/protos/generate.py protos python/tritonpy/protos`"
        ) from error
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(serialized).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


# Immutable after import; message classes belong to exactly one pool, so there is one.
POOL: Final = new_pool()


def module_contents(file_name: str) -> dict[str, Any]:
    """Return what the module of a `.proto` file offers: its messages, enums, values, DESCRIPTOR."""
    file = POOL.FindFileByName(file_name)
    contents: dict[str, Any] = {"DESCRIPTOR": file}
    for name, message in file.message_types_by_name.items():
        contents[name] = message_factory.GetMessageClass(message)
    for name, enum in file.enum_types_by_name.items():
        contents[name] = EnumTypeWrapper(enum)
        contents.update({value.name: value.number for value in enum.values})
    return contents
