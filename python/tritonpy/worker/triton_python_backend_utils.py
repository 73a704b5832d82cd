"""What Python models program against: `import triton_python_backend_utils as pb_utils`."""

from __future__ import annotations

import json
from typing import Any, Final

from tritonpy.worker.bytes_tensor import deserialize_bytes_tensor, serialize_byte_tensor
from tritonpy.worker.data_types import (
    numpy_to_triton_type,
    triton_string_to_numpy,
    triton_to_numpy_type,
)
from tritonpy.worker.errors import TritonError, TritonModelException
from tritonpy.worker.logger import Logger
from tritonpy.worker.metrics import Metric, MetricFamily
from tritonpy.worker.model_config import ModelConfig
from tritonpy.worker.model_control import (
    get_model_dir,
    is_model_ready,
    load_model,
    unload_model,
)
from tritonpy.worker.request import (
    MEMORY_CPU,
    MEMORY_GPU,
    RELEASE_ALL,
    RELEASE_RESCHEDULE,
    SEQUENCE_END,
    SEQUENCE_START,
    InferenceRequest,
    InferenceTrace,
    PreferredMemory,
)
from tritonpy.worker.response import InferenceResponse
from tritonpy.worker.response_sender import COMPLETE_FINAL, InferenceResponseSender
from tritonpy.worker.tensor import Tensor

__all__ = [
    "TRITONSERVER_MEMORY_CPU",
    "TRITONSERVER_MEMORY_GPU",
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_END",
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_START",
    "TRITONSERVER_REQUEST_RELEASE_ALL",
    "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE",
    "TRITONSERVER_RESPONSE_COMPLETE_FINAL",
    "InferenceRequest",
    "InferenceResponse",
    "InferenceResponseSender",
    "InferenceTrace",
    "Logger",
    "Metric",
    "MetricFamily",
    "ModelConfig",
    "PreferredMemory",
    "Tensor",
    "TritonError",
    "TritonModelException",
    "deserialize_bytes_tensor",
    "get_input_config_by_name",
    "get_input_tensor_by_name",
    "get_model_dir",
    "get_output_config_by_name",
    "get_output_tensor_by_name",
    "is_model_ready",
    "load_model",
    "numpy_to_triton_type",
    "serialize_byte_tensor",
    "triton_string_to_numpy",
    "triton_to_numpy_type",
    "unload_model",
    "using_decoupled_model_transaction_policy",
]

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START: Final = SEQUENCE_START
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END: Final = SEQUENCE_END
TRITONSERVER_RESPONSE_COMPLETE_FINAL: Final = COMPLETE_FINAL
TRITONSERVER_REQUEST_RELEASE_ALL: Final = RELEASE_ALL
TRITONSERVER_REQUEST_RELEASE_RESCHEDULE: Final = RELEASE_RESCHEDULE
TRITONSERVER_MEMORY_CPU: Final = MEMORY_CPU
TRITONSERVER_MEMORY_GPU: Final = MEMORY_GPU


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    """Return the request's input called `name`, None if it has none."""
    for tensor in inference_request._inputs:
        if tensor._name == name:
            return tensor
    return None


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    """Return the response's output called `name`, None if it has none."""
    for tensor in inference_response._outputs:
        if tensor._name == name:
            return tensor
    return None


def get_input_config_by_name(model_config: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return what the configuration says of the input called `name`, None if nothing."""
    return _config_by_name(model_config, "input", name)


def get_output_config_by_name(model_config: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return what the configuration says of the output called `name`, None if nothing."""
    return _config_by_name(model_config, "output", name)


def _config_by_name(
    model_config: dict[str, Any] | str, kind: str, name: str
) -> dict[str, Any] | None:
    config = json.loads(model_config) if isinstance(model_config, str) else model_config
    tensors: list[dict[str, Any]] = config.get(kind, [])
    for tensor in tensors:
        if tensor["name"] == name:
            return tensor
    return None


def using_decoupled_model_transaction_policy(model_config: dict[str, Any]) -> bool:
    """Whether the configuration says that the model sends any number of responses."""
    policy = model_config.get("model_transaction_policy") or {}
    return bool(policy.get("decoupled", False))
