"""What an ONNX model says about itself, against what its config says.

Reading the model file is the caller's (the core refuses models with anything but tensors): these
are functions of the config and a signature. An initializer that a request may override counts as an
optional input of the signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tritonpy.config.data_types import data_type_of
from tritonpy.config.lower_batch_io import scatter_sources
from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.config.validate import raise_problems
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput

DEFAULT_MAX_BATCH_SIZE = 4


@dataclass(frozen=True, slots=True)
class OnnxTensor:
    """One input or output: V2 name of its data type, and its dimensions with -1 for any size."""

    name: str
    data_type: str
    dims: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class OnnxSignature:
    """Inputs and outputs of a model, in the order of its file."""

    inputs: tuple[OnnxTensor, ...]
    outputs: tuple[OnnxTensor, ...]

    @property
    def required_inputs(self) -> tuple[OnnxTensor, ...]:
        """The inputs that every request must bring."""
        return tuple(tensor for tensor in self.inputs if not tensor.optional)


def complete_from_signature(
    config: ModelConfig,
    signature: OnnxSignature,
    default_max_batch_size: int,
    tell: Tell = tell_nobody,
) -> ModelConfig:
    """Return a copy of `config` with batching, inputs and outputs filled in from the model.

    A config that gives both inputs and outputs is returned as it is: then max_batch_size 0 means
    no batching, otherwise it is replaced by the default where the model can batch. Raises
    InvalidArgError for a batch size that the model cannot have.
    """
    completed = ModelConfig()
    completed.CopyFrom(config)
    if (config.input or config.batch_input) and config.output:
        return completed
    _complete_batching(completed, signature, default_max_batch_size, tell)
    is_batching = completed.max_batch_size > 0
    if not completed.input:
        for tensor in signature.required_inputs:
            _fill_tensor(completed.input.add(), tensor, is_batching)
            tell(f"input[{tensor.name}]", _inferred_from("input", tensor))
    if not completed.output:
        for tensor in signature.outputs:
            _fill_tensor(completed.output.add(), tensor, is_batching)
            tell(f"output[{tensor.name}]", _inferred_from("output", tensor))
    return completed


def _complete_batching(
    config: ModelConfig, signature: OnnxSignature, default: int, tell: Tell
) -> None:
    tensors = (*signature.required_inputs, *signature.outputs)
    if not all(tensor.dims[:1] == (-1,) for tensor in tensors):
        if config.max_batch_size != 0:
            raise InvalidArgError(
                f"autofill failed for model '{config.name}': model does not support batching "
                "while non-zero max_batch_size is specified"
            )
        return
    if config.max_batch_size == 0 and default > 0:
        config.max_batch_size = default
        tell(
            "max_batch_size",
            "inferred: the model's tensors begin with a variable dimension; as many as the "
            "backend's default-max-batch-size",
        )
    if config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") is None:
        config.dynamic_batching.SetInParent()
        tell("dynamic_batching", "inferred: the model can batch")


def _inferred_from(role: str, tensor: OnnxTensor) -> str:
    shape = _shape_text(tensor.dims)
    return f"inferred: from the ONNX model's {role}, {tensor.data_type} {shape}"


def _fill_tensor(target: ModelInput | ModelOutput, tensor: OnnxTensor, is_batching: bool) -> None:
    # A config cannot say "no elements" in a dimension, but any size includes it.
    dims = [dim if dim >= 1 else -1 for dim in tensor.dims[1 if is_batching else 0 :]]
    target.name = tensor.name
    target.data_type = data_type_of(tensor.data_type)
    target.dims.extend(dims or [1])
    if is_batching and not dims:
        target.reshape.SetInParent()


def require_matching(config: ModelConfig, signature: OnnxSignature) -> None:
    """Raise InvalidArgError, one problem a line, where config and model do not fit together."""
    raise_problems(
        [
            *_count_problems(config, signature),
            *_input_problems(config, signature),
            *_output_problems(config, signature),
        ]
    )


def _server_inputs(config: ModelConfig) -> list[str]:
    """Return the names of the inputs that the server makes, and no client sends."""
    sequence = config.sequence_batching
    return [
        *(name for batch_input in config.batch_input for name in batch_input.target_name),
        *(control.name for control in sequence.control_input),
        *(state.input_name for state in sequence.state),
    ]


def _count_problems(config: ModelConfig, signature: OnnxSignature) -> Iterator[str]:
    expected = sum(not tensor.optional for tensor in config.input) + len(_server_inputs(config))
    provided = len(signature.required_inputs)
    if expected != provided:
        yield (
            f"unable to load model '{config.name}', configuration expects {expected} inputs, model "
            f"provides {provided}"
        )


def _input_problems(config: ModelConfig, signature: OnnxSignature) -> Iterator[str]:
    provided = {tensor.name: tensor for tensor in signature.inputs}
    for name in (*(tensor.name for tensor in config.input), *_server_inputs(config)):
        if name not in provided:
            allowed = ", ".join(sorted(provided))
            yield f"unexpected inference input '{name}', allowed inputs are: {allowed}"
    for wanted in config.input:
        given = provided.get(wanted.name)
        if given is None:
            continue
        yield from _type_problems(config, "input", wanted, given)
        if wanted.optional and config.max_batch_size > 0:
            yield (
                f"unable to load model '{config.name}', optional input '{wanted.name}' is not "
                "supported for models that support batching"
            )
        if wanted.allow_ragged_batch:
            yield from _ragged_problems(config, wanted, given)
        else:
            yield from _shape_problems(config, wanted, given)


def _ragged_problems(config: ModelConfig, wanted: ModelInput, given: OnnxTensor) -> Iterator[str]:
    expectation = (
        f"unable to load model '{config.name}', configuration expects model provides input with "
        "shape [-1] "
    )
    if wanted.optional:
        yield (
            f"{expectation}for ragged input '{wanted.name}', which is not supported for optional "
            "input"
        )
    if given.dims != (-1,):
        yield (  # the second blank is Triton's
            f"{expectation} for ragged input '{wanted.name}', model provides "
            f"{_shape_text(given.dims)}"
        )


def _output_problems(config: ModelConfig, signature: OnnxSignature) -> Iterator[str]:
    provided = {tensor.name: tensor for tensor in signature.outputs}
    scattered = scatter_sources(config)
    for wanted in config.output:
        given = provided.get(wanted.name)
        if given is None:
            allowed = ", ".join(sorted(provided))
            yield f"unexpected inference output '{wanted.name}', allowed outputs are: {allowed}"
            continue
        yield from _type_problems(config, "output", wanted, given)
        if wanted.name not in scattered:  # else its shape is another in the model
            yield from _shape_problems(config, wanted, given)


def _type_problems(
    config: ModelConfig, role: str, wanted: ModelInput | ModelOutput, given: OnnxTensor
) -> Iterator[str]:
    provided = data_type_of(given.data_type)
    if wanted.data_type != provided:
        yield (
            f"unable to load model '{config.name}', configuration expects datatype "
            f"{DataType.Name(wanted.data_type)} for {role} '{wanted.name}', model provides "
            f"{DataType.Name(provided)}"
        )


def _shape_problems(
    config: ModelConfig, wanted: ModelInput | ModelOutput, given: OnnxTensor
) -> Iterator[str]:
    dims = list(wanted.reshape.shape if wanted.HasField("reshape") else wanted.dims)
    subject = f"model '{config.name}', tensor '{wanted.name}': "
    if config.max_batch_size == 0:
        model_dims = list(given.dims) or [1]  # a config writes a scalar as [1]
        if not _accepts(model_dims, dims):
            yield (
                f"{subject}the model expects {len(model_dims)} dimensions (shape "
                f"{_shape_text(model_dims)}) but the model configuration specifies {len(dims)} "
                f"dimensions (shape {_shape_text(dims)})"
            )
    elif given.dims[:1] != (-1,):
        yield (
            f"{subject}for the model to support batching the shape should have at least 1 "
            "dimension and the first dimension must be -1; but shape expected by the model is "
            f"{_shape_text(given.dims)}"
        )
    elif not _accepts(given.dims, [-1, *dims]):
        yield (
            f"{subject}the model expects {len(given.dims)} dimensions (shape "
            f"{_shape_text(given.dims)}) but the model configuration specifies {len(dims) + 1} "
            "dimensions (an initial batch dimension because max_batch_size > 0 followed by the "
            f"explicit tensor shape, making complete shape {_shape_text([-1, *dims])})"
        )


def _accepts(model_dims: Sequence[int], dims: Sequence[int]) -> bool:
    # 0 in a model is a dimension that a config can write only as -1.
    return len(model_dims) == len(dims) and all(
        model_dim < 1 or model_dim == dim for model_dim, dim in zip(model_dims, dims, strict=True)
    )


def _shape_text(dims: Sequence[int]) -> str:
    return f"[{','.join(str(dim) for dim in dims)}]"
