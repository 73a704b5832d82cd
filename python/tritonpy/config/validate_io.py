"""Rules of inputs, outputs, and the batch inputs and outputs made from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from tritonpy.protos.model_config_pb2 import (
    TYPE_FP32,
    TYPE_INT32,
    TYPE_INVALID,
    BatchInput,
    BatchOutput,
    ModelConfig,
    ModelInput,
    ModelOutput,
)

_DIMENSION_RULE = "must be integer >= 1, or -1 to indicate a variable-size dimension"


def io_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with inputs, then outputs, each in the order of the config."""
    for tensor_input in config.input:
        for problem in _input_problems(config, tensor_input):
            yield f"{problem} for {config.name}"
    for tensor_output in config.output:
        for problem in _output_problems(config, tensor_output):
            yield f"{problem} for {config.name}"


def _input_problems(config: ModelConfig, tensor: ModelInput) -> Iterator[str]:
    for problem in _tensor_problems(tensor, config.max_batch_size):
        yield f"model input {problem}"
    if tensor.format != ModelInput.FORMAT_NONE and len(tensor.dims) != 3:
        yield "model input NHWC/NCHW require 3 dims"
    yield from _tensorrt_problems(config, tensor)


def _output_problems(config: ModelConfig, tensor: ModelOutput) -> Iterator[str]:
    for problem in _tensor_problems(tensor, config.max_batch_size):
        yield f"model output {problem}"
    yield from _tensorrt_problems(config, tensor)


def _tensor_problems(tensor: ModelInput | ModelOutput, max_batch_size: int) -> Iterator[str]:
    if not tensor.name:
        yield "must specify 'name'"
    if tensor.data_type == TYPE_INVALID:
        yield f"'{tensor.name}' must specify 'data_type'"
    if not tensor.dims:
        yield f"'{tensor.name}' must specify 'dims'"
    elif not _are_dimensions(tensor.dims):
        yield f"'{tensor.name}' dimension {_DIMENSION_RULE}"
    if tensor.HasField("reshape"):
        yield from _reshape_problems(tensor, max_batch_size)


def _reshape_problems(tensor: ModelInput | ModelOutput, max_batch_size: int) -> Iterator[str]:
    dims, shape = list(tensor.dims), list(tensor.reshape.shape)
    if not shape and max_batch_size == 0:
        yield (
            f"'{tensor.name}' cannot have empty reshape for non-batching model as scalar tensors "
            "are not supported"
        )
        return
    if not _are_dimensions(shape):
        yield f"'{tensor.name}' reshape dimensions {_DIMENSION_RULE}"
        return
    if not dims or not _are_dimensions(dims):  # already named; sizes mean nothing then
        return
    # Between two variable dimensions nothing can be moved: segments are compared one by one.
    dims_sizes, shape_sizes = _segment_sizes(dims), _segment_sizes(shape)
    if (len(dims_sizes) == 1) != (len(shape_sizes) == 1):
        yield f"'{tensor.name}' has different size for dims and reshape"
    elif len(dims_sizes) != len(shape_sizes):
        yield (
            f"'{tensor.name}' has different number of variable-size dimensions for dims and reshape"
        )
    elif dims_sizes != shape_sizes:
        yield f"'{tensor.name}' has different size for dims and reshape"


def _are_dimensions(dims: Sequence[int]) -> bool:
    return all(dim == -1 or dim >= 1 for dim in dims)


def _segment_sizes(dims: Sequence[int]) -> list[int]:
    """Return the element counts of the runs of fixed dimensions around each variable one."""
    segments: list[list[int]] = [[]]
    for dim in dims:
        if dim == -1:
            segments.append([])
        else:
            segments[-1].append(dim)
    return [math.prod(segment) for segment in segments]


def _tensorrt_problems(config: ModelConfig, tensor: ModelInput | ModelOutput) -> Iterator[str]:
    is_tensorrt = config.platform == "tensorrt_plan" or config.backend == "tensorrt"
    if tensor.is_shape_tensor and not is_tensorrt:
        yield "shape tensors are only supported for TensorRT platform"
    if tensor.is_non_linear_format_io:
        if not is_tensorrt:
            yield "Non-linear IO format is only supported for the TensorRT platform"
        elif len(tensor.dims) != 3:
            yield "Non-linear IO format requires 3 dims"


def batch_io_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with batch inputs, then batch outputs."""
    inputs = {tensor.name for tensor in config.input}
    for batch_input in config.batch_input:
        kind = BatchInput.Kind.Name(batch_input.kind)
        if len(batch_input.source_input) != 1:
            count = len(batch_input.source_input)
            yield f"batch input kind '{kind}' expects 1 source input, got {count}"
        if batch_input.data_type not in (TYPE_INT32, TYPE_FP32):
            yield "batch input data type must be TYPE_INT32 or TYPE_FP32"
        yield from _unknown_sources(batch_input.source_input, inputs)
    outputs = {tensor.name for tensor in config.output}
    targets: set[str] = set()
    for batch_output in config.batch_output:
        kind = BatchOutput.Kind.Name(batch_output.kind)
        if len(batch_output.source_input) != 1:
            count = len(batch_output.source_input)
            yield f"batch output kind '{kind}' expects 1 source input, got {count}"
        yield from _unknown_sources(batch_output.source_input, inputs)
        for target in batch_output.target_name:
            if target not in outputs:
                yield f"unknown target output name '{target}'"
            elif target in targets:
                yield f"target output name '{target}' can only be specified once"
            targets.add(target)
        yield from _scatter_problems(config, batch_output)


def _unknown_sources(names: Sequence[str], inputs: set[str]) -> Iterator[str]:
    for name in names:
        if name not in inputs:
            yield f"unknown source input name '{name}'"


def _scatter_problems(config: ModelConfig, batch_output: BatchOutput) -> Iterator[str]:
    # A variable dimension is as long as the same dimension of the source: there must be one. Triton
    # does not look.
    outputs = [tensor for tensor in config.output if tensor.name in batch_output.target_name]
    sources = [tensor for tensor in config.input if tensor.name in batch_output.source_input]
    for output, source in itertools.product(outputs, sources):
        if -1 in _backend_dims(output)[len(_backend_dims(source)) :]:
            yield (
                f"batch output '{output.name}' has a variable-size dimension that its source input "
                f"'{source.name}' does not have for {config.name}"
            )


def _backend_dims(tensor: ModelInput | ModelOutput) -> Sequence[int]:
    return tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
