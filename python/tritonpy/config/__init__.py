"""Model configs: read, completed, checked, and lowered to what the core runs.

A config travels as the protobuf message `ModelConfig`. Every function here is pure: it leaves its
arguments as they are and returns a new message.
"""

from tritonpy.config.autocomplete import artefact_path
from tritonpy.config.config_json import config_from_json, config_to_json
from tritonpy.config.data_types import data_type_of, wire_name
from tritonpy.config.instance_groups import Devices
from tritonpy.config.labels import read_labels
from tritonpy.config.lower_batch_io import BatchInputSpec
from tritonpy.config.lower_dynamic_batching import DynamicBatchingSpec, QueuePolicySpec
from tritonpy.config.lower_warmup import WarmupInput, WarmupSample, read_warmup
from tritonpy.config.model_config import (
    CoreModelConfig,
    InstanceSpec,
    ResourceNeed,
    TensorSpec,
    lower,
)
from tritonpy.config.normalize import normalize
from tritonpy.config.onnx_signature import OnnxSignature, OnnxTensor
from tritonpy.config.pbtxt import parse_config, print_config
from tritonpy.config.stages import core_stage, onnx_stage
from tritonpy.config.unsupported import (
    gpu_features,
    unsupported_features,
    unsupported_scheduler,
)
from tritonpy.config.validate import require_valid, validate
from tritonpy.protos.model_config_pb2 import ModelConfig

__all__ = [
    "BatchInputSpec",
    "CoreModelConfig",
    "Devices",
    "DynamicBatchingSpec",
    "InstanceSpec",
    "ModelConfig",
    "OnnxSignature",
    "OnnxTensor",
    "QueuePolicySpec",
    "ResourceNeed",
    "TensorSpec",
    "WarmupInput",
    "WarmupSample",
    "artefact_path",
    "config_from_json",
    "config_to_json",
    "core_stage",
    "data_type_of",
    "gpu_features",
    "lower",
    "normalize",
    "onnx_stage",
    "parse_config",
    "print_config",
    "read_labels",
    "read_warmup",
    "require_valid",
    "unsupported_features",
    "unsupported_scheduler",
    "validate",
    "wire_name",
]
