"""The parameter `padding`, which is ours and not Triton's.

Triton runs requests of different length one by one. With

    parameters { key: "padding" value {
      string_value: "input_ids=0, token_type_ids=0; mask=attention_mask" } }

they run together: the inputs on the left are padded with their values to the longest of the batch,
the mask with 0, and outputs are cut back. All of these inputs have the same variable-size
dimension, the length, and so have the outputs that have one. The config names its tensors.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tritonpy.config.own_parameters import impossible, own_parameter
from tritonpy.config.platforms import ENSEMBLE
from tritonpy.protos import model_config_pb2
from tritonpy.protos.model_config_pb2 import ModelConfig

_PARAMETER: Final = "padding"
_FORM: Final = "'input=value, ...; mask=input'"
# How one element is packed, by data type; what is not here cannot be padded.
_FORMATS: Final = {
    "TYPE_BOOL": "?",
    "TYPE_UINT8": "B",
    "TYPE_UINT16": "H",
    "TYPE_UINT32": "I",
    "TYPE_UINT64": "Q",
    "TYPE_INT8": "b",
    "TYPE_INT16": "h",
    "TYPE_INT32": "i",
    "TYPE_INT64": "q",
    "TYPE_FP16": "e",
    "TYPE_FP32": "f",
    "TYPE_FP64": "d",
}
_REALS: Final = "efd"


@dataclass(frozen=True, slots=True)
class PaddingSpec:
    """What is padded with what, and cut back."""

    axis: int  # which dimension is the length, the batch dimension counted
    inputs: tuple[tuple[str, bytes], ...]  # names, and the bytes of a pad element
    outputs: tuple[str, ...]


def lower_padding(config: ModelConfig) -> PaddingSpec | None:
    """Return what a config asks for; None where it says nothing. REQUIRES: `config` is valid."""
    text = own_parameter(config, _PARAMETER)
    if text is None:
        return None
    values = _read(text)
    inputs = {tensor.name: tensor for tensor in config.input}
    axis = list(inputs[next(iter(values))].dims).index(-1)
    return PaddingSpec(
        axis=axis + 1,
        inputs=tuple(
            (name, _element(inputs[name].data_type, value)) for name, value in values.items()
        ),
        outputs=tuple(tensor.name for tensor in config.output if -1 in tensor.dims),
    )


def padding_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with the parameter."""
    text = own_parameter(config, _PARAMETER)
    if text is None:
        return
    try:
        values = _read(text)
    except ValueError as error:
        yield f"parameter '{_PARAMETER}' must be {_FORM} for {config.name}, but {error}"
        return
    reasons = (*_obstacles(config), *_tensor_obstacles(config, values))
    yield from impossible(config, _PARAMETER, reasons)


def _read(text: str) -> dict[str, str]:
    """Return pad values by input name, the mask last. Raises ValueError saying what is wrong."""
    listed, semicolon, rest = text.partition(";")
    if not semicolon:
        raise ValueError("there is no '; mask='")
    values: dict[str, str] = {}
    for part in listed.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not (name and equals and value):
            raise ValueError(f"got '{part.strip()}'")
        if name in values:
            raise ValueError(f"input '{name}' is there twice")
        values[name] = value
    key, equals, mask = (word.strip() for word in rest.partition("="))
    if key != "mask" or not mask:
        raise ValueError(f"got '{rest.strip()}' for the mask")
    if mask in values:
        raise ValueError(f"input '{mask}' is there twice")
    return {**values, mask: "0"}


def _element(data_type: int, value: str) -> bytes:
    """Return the bytes of a pad element. Raises ValueError, KeyError, OverflowError, struct.error
    where the value is none of the type."""
    form = _FORMATS[model_config_pb2.DataType.Name(data_type)]
    return struct.pack(f"<{form}", float(value) if form in _REALS else int(value))


def _obstacles(config: ModelConfig) -> Iterator[str]:
    if config.platform == ENSEMBLE:
        yield "it is an ensemble, whose steps have the parameter"
    elif config.backend == "python":
        yield "a Python model gets its requests one by one, and pads them itself"
    if config.max_batch_size < 1 or not config.HasField("dynamic_batching"):
        yield "it needs 'max_batch_size' and 'dynamic_batching'"
    if config.batch_input or config.batch_output:
        yield "it has a 'batch_input' or 'batch_output'"


def _tensor_obstacles(config: ModelConfig, values: dict[str, str]) -> Iterator[str]:
    inputs = {tensor.name: tensor for tensor in config.input}
    axes = set()
    for name, value in values.items():
        if name not in inputs:
            yield f"it has no input '{name}'"
            continue
        tensor = inputs[name]
        variable = [axis for axis, dim in enumerate(tensor.dims) if dim == -1]
        axes.add(variable[0] if len(variable) == 1 else None)
        if tensor.optional or tensor.allow_ragged_batch or tensor.HasField("reshape"):
            yield f"input '{name}' is optional, ragged or reshaped"
        try:
            _element(tensor.data_type, value)
        except (ValueError, KeyError, OverflowError, struct.error):
            data_type = model_config_pb2.DataType.Name(tensor.data_type)
            yield f"input '{name}' of {data_type} cannot be padded with '{value}'"
    if len(axes) > 1 or None in axes:
        yield "the inputs must have one variable-size dimension, all of them the same"
        return
    for tensor in config.input:
        if tensor.name not in values and (tensor.optional or -1 in tensor.dims):
            yield f"input '{tensor.name}', which is not padded, is optional or of variable size"
    for output in config.output:
        lengths = {axis for axis, dim in enumerate(output.dims) if dim == -1}
        if lengths and (lengths != axes or output.HasField("reshape")):
            yield (
                f"output '{output.name}' is reshaped, or of variable size where the inputs are not"
            )
        if lengths and output.data_type == model_config_pb2.TYPE_STRING:
            yield f"output '{output.name}' of TYPE_STRING cannot be cut back"
