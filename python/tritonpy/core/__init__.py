"""The typed face of the C++ core: the only package that imports `tritonpy._core`.

`Core` builds and publishes models and counts what they did; `Inference` carries requests from one
asyncio loop into the core and their responses back, `NativeFrontend` those of its own sockets;
`Log` is the logger that both halves share. Every failure is one of `tritonpy.errors`.
"""

from tritonpy.core.demand import ModelDemands
from tritonpy.core.inference import (
    Inference,
    InferRequest,
    InferResult,
    JsonAnswer,
    Metadata,
    check_json,
    parse_json_length,
)
from tritonpy.core.log import Log, LogSettings
from tritonpy.core.native_frontend import ControlEvent, EventKind, NativeFrontend
from tritonpy.core.onnxruntime import onnxruntime_library_path
from tritonpy.core.response_stream import (
    MessageStream,
    OutputTensor,
    StreamedMessage,
    StreamedResult,
    TensorStream,
)
from tritonpy.core.server import BuiltModel, Core, WorkerLauncher
from tritonpy.core.statistics import (
    BatchSizeStatistics,
    CacheCounters,
    DurationCount,
    FirstResponses,
    InFlight,
    ModelStatistics,
)
from tritonpy.core.status import encode_error_json

__all__ = [
    "BatchSizeStatistics",
    "BuiltModel",
    "CacheCounters",
    "ControlEvent",
    "Core",
    "DurationCount",
    "EventKind",
    "FirstResponses",
    "InFlight",
    "InferRequest",
    "InferResult",
    "Inference",
    "JsonAnswer",
    "Log",
    "LogSettings",
    "MessageStream",
    "Metadata",
    "ModelDemands",
    "ModelStatistics",
    "NativeFrontend",
    "OutputTensor",
    "StreamedMessage",
    "StreamedResult",
    "TensorStream",
    "WorkerLauncher",
    "check_json",
    "encode_error_json",
    "onnxruntime_library_path",
    "parse_json_length",
]
