"""The V2 protocol without a transport."""

from tritonpy.api.generate import generate_answer, generate_request
from tritonpy.api.messages import (
    ModelMetadata,
    ServerMetadata,
    Settings,
    SettingValue,
    TensorMetadata,
    VersionStatistics,
)
from tritonpy.api.service import ModelCounters, ServedModels, V2Service

__all__ = [
    "ModelCounters",
    "ModelMetadata",
    "ServedModels",
    "ServerMetadata",
    "SettingValue",
    "Settings",
    "TensorMetadata",
    "V2Service",
    "VersionStatistics",
    "generate_answer",
    "generate_request",
]
