"""Models on disk, and their way into the core and out of it."""

from tritonpy.repository.clock import Clock
from tritonpy.repository.cloud import open_mirrors
from tritonpy.repository.index import IndexEntry
from tritonpy.repository.layout import Logger
from tritonpy.repository.lifecycle import ModelState
from tritonpy.repository.load_parameters import ParameterValue
from tritonpy.repository.model_versions import ServedVersion
from tritonpy.repository.repository import ModelRepository
from tritonpy.repository.serving_core import BuiltModel, ServingCore
from tritonpy.repository.status_table import status_table

__all__ = [
    "BuiltModel",
    "Clock",
    "IndexEntry",
    "Logger",
    "ModelRepository",
    "ModelState",
    "ParameterValue",
    "ServedVersion",
    "ServingCore",
    "open_mirrors",
    "status_table",
]
