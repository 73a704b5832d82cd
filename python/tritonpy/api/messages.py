"""What the V2 protocol answers, as plain values: each front end writes them in its own form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tritonpy.core import ModelStatistics

SettingValue: TypeAlias = bool | int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """What the server is and which protocol extensions it implements."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """An input or output; the shape has the batch dimension (-1) where the model has one."""

    name: str
    data_type: str  # FP32, BYTES
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a model takes and gives."""

    name: str
    versions: tuple[int, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


@dataclass(frozen=True, slots=True)
class VersionStatistics:
    """The counters of one model version."""

    name: str
    version: int
    counters: ModelStatistics


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of an extension by name, in the order in which they are reported."""

    values: Mapping[str, SettingValue]
