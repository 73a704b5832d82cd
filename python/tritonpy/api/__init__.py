"""The V2 protocol without a transport.

Its generate extension is a module to itself, `api.generate`, because it brings numpy.
"""

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
]
