"""A config lowered to plain values: what the C++ core needs to run one version of a model.

The core never reads `config.pbtxt`; it is given one `CoreModelConfig`, normalised, completed and
valid. Everything here is immutable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tritonpy.config.data_types import wire_name
from tritonpy.config.latency_objective import latency_objective_us
from tritonpy.config.lower_batch_io import BatchInputSpec, batch_input_specs, scatter_sources
from tritonpy.config.lower_dynamic_batching import DynamicBatchingSpec, lower_dynamic_batching
from tritonpy.config.lower_ensemble import EnsembleSpec
from tritonpy.config.lower_sequence import SequenceBatchingSpec
from tritonpy.config.lower_warmup import WarmupSample
from tritonpy.config.padding import PaddingSpec, lower_padding
from tritonpy.config.split_large_requests import splits_large_requests
from tritonpy.protos.model_config_pb2 import (
    ModelConfig,
    ModelInput,
    ModelInstanceGroup,
    ModelOutput,
)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. Dimensions are without the batch dimension, -1 is any size."""

    name: str
    data_type: str  # as the V2 protocol calls it: FP32, BYTES
    dims: tuple[int, ...]  # what clients see
    reshape: tuple[int, ...] | None = None  # what the backend sees; None: dims
    optional: bool = False
    allow_ragged_batch: bool = False
    is_shape_tensor: bool = False
    labels: tuple[str, ...] = ()  # of outputs only: names of the classes, by index
    scatter_source: str = ""  # of outputs only: the input whose shape it comes apart by; "": rows


@dataclass(frozen=True, slots=True)
class ResourceNeed:
    """What an instance needs of a resource while it runs."""

    name: str
    is_global: bool  # of the whole machine, else of the instance's device
    count: int


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """One instance: `<group>_<i>`, i counting over all devices of its group."""

    name: str
    kind: str  # KIND_CPU, KIND_GPU or KIND_MODEL
    device_id: int
    passive: bool
    host_policy: str
    priority: int = 1  # the larger, the fewer turns the rate limiter gives it
    resources: tuple[ResourceNeed, ...] = ()


@dataclass(frozen=True, slots=True)
class CoreModelConfig:
    """One version of a model, ready to be built."""

    name: str
    version: int
    backend: str
    model_path: str  # the file that the backend loads
    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    instances: tuple[InstanceSpec, ...]
    dynamic_batching: DynamicBatchingSpec | None
    parameters: dict[str, str]
    graph_level: int | None  # optimization.graph.level; None: the backend's default
    decoupled: bool
    response_cache: bool = False
    content_digest: str = ""  # of what it was loaded from, where servers share answers
    worker: str = ""  # what the backend's worker processes are started with, if it has any
    worker_timeout_s: int = 0  # what one execution in a worker may take; 0: unlimited
    delay_until_queued: int = 0  # test hook: hold the first batch until so many requests wait
    batch_inputs: tuple[BatchInputSpec, ...] = ()
    warmup: tuple[WarmupSample, ...] = ()
    ensemble: EnsembleSpec | None = None  # set: steps instead of instances and a file
    split_large_requests: bool = False
    latency_objective_us: int = 0  # within which requests are answered or refused; 0: none
    padding: PaddingSpec | None = None  # given: requests of different length run together
    sequences: SequenceBatchingSpec | None = None  # given: these are how it is scheduled
    op_libraries: tuple[str, ...] = ()  # shared libraries of operators that the model uses
    first_response_bounds_ms: tuple[float, ...] = ()  # of a histogram; empty: there is none


def lower(
    config: ModelConfig,
    version: int,
    model_path: str | Path,
    labels: Mapping[str, tuple[str, ...]],
    delay_until_queued: int = 0,
    worker: str = "",
    worker_timeout_s: int = 0,
    warmup: tuple[WarmupSample, ...] = (),
    ensemble: EnsembleSpec | None = None,
    sequences: SequenceBatchingSpec | None = None,
    executor: str = "",
) -> CoreModelConfig:
    """Return the plain values of one version of a model. REQUIRES: `config` is valid.

    `labels` are those of the label files, by output name (`read_labels`), `warmup` the samples with
    their data (`read_warmup`), `sequences` what `lower_sequence` returns, `executor` the core's
    backend where that is not the one that the config names.
    """
    optimization = config.optimization
    sources = scatter_sources(config)
    return CoreModelConfig(
        name=config.name,
        version=version,
        backend=executor or config.backend,
        model_path=str(model_path),
        max_batch_size=config.max_batch_size,
        inputs=tuple(input_spec(tensor) for tensor in config.input),
        outputs=tuple(_output_spec(tensor, labels, sources) for tensor in config.output),
        instances=tuple(spec for group in config.instance_group for spec in _instance_specs(group)),
        dynamic_batching=lower_dynamic_batching(config),
        parameters={key: value.string_value for key, value in sorted(config.parameters.items())},
        graph_level=optimization.graph.level if optimization.HasField("graph") else None,
        decoupled=config.model_transaction_policy.decoupled,
        response_cache=config.response_cache.enable,
        worker=worker,
        worker_timeout_s=worker_timeout_s,
        delay_until_queued=delay_until_queued,
        batch_inputs=batch_input_specs(config),
        warmup=warmup,
        ensemble=ensemble,
        split_large_requests=splits_large_requests(config),
        latency_objective_us=latency_objective_us(config),
        padding=lower_padding(config),
        sequences=sequences,
        op_libraries=tuple(config.model_operations.op_library_filename),
    )


def input_spec(tensor: ModelInput) -> TensorSpec:
    """Return the plain values of one input. REQUIRES: it has a data type."""
    return TensorSpec(
        name=tensor.name,
        data_type=wire_name(tensor.data_type),
        dims=tuple(tensor.dims),
        reshape=_reshape(tensor),
        optional=tensor.optional,
        allow_ragged_batch=tensor.allow_ragged_batch,
        is_shape_tensor=tensor.is_shape_tensor,
    )


def _output_spec(
    tensor: ModelOutput, labels: Mapping[str, tuple[str, ...]], sources: Mapping[str, str]
) -> TensorSpec:
    return TensorSpec(
        name=tensor.name,
        data_type=wire_name(tensor.data_type),
        dims=tuple(tensor.dims),
        reshape=_reshape(tensor),
        is_shape_tensor=tensor.is_shape_tensor,
        labels=labels.get(tensor.name, ()),
        scatter_source=sources.get(tensor.name, ""),
    )


def _reshape(tensor: ModelInput | ModelOutput) -> tuple[int, ...] | None:
    return tuple(tensor.reshape.shape) if tensor.HasField("reshape") else None


def _instance_specs(group: ModelInstanceGroup) -> Iterator[InstanceSpec]:
    kind = ModelInstanceGroup.Kind.Name(group.kind)
    on_gpu = group.kind == ModelInstanceGroup.KIND_GPU
    limiter = group.rate_limiter
    resources = tuple(
        # `global` is a word of Python.
        ResourceNeed(resource.name, getattr(resource, "global"), resource.count)
        for resource in limiter.resources
    )
    index = 0
    for device_id in group.gpus if on_gpu else (0,):
        own_policy = f"gpu_{device_id}" if on_gpu else kind.removeprefix("KIND_").lower()
        for _ in range(group.count):
            yield InstanceSpec(
                name=f"{group.name}_{index}",
                kind=kind,
                device_id=device_id,
                passive=group.passive,
                host_policy=group.host_policy or own_policy,
                priority=max(limiter.priority, 1),
                resources=resources,
            )
            index += 1
