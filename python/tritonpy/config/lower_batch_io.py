"""Batch inputs and batch outputs as the core takes them.

A batch input is made by the server for each batch, from the shapes that one input of the requests
has in it. A batch output comes apart by the shape of such an input, where others do by rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from tritonpy.config.data_types import wire_name
from tritonpy.protos.model_config_pb2 import BatchInput, ModelConfig


@dataclass(frozen=True, slots=True)
class BatchInputSpec:
    """One tensor that describes a batch; every target is an input of the model that gets it."""

    kind: str  # as a config calls it
    target_names: tuple[str, ...]
    data_type: str  # INT32 or FP32
    source_input: str


def batch_input_specs(config: ModelConfig) -> tuple[BatchInputSpec, ...]:
    """Return the batch inputs of a config. REQUIRES: `config` is valid."""
    return tuple(
        BatchInputSpec(
            kind=BatchInput.Kind.Name(batch_input.kind),
            target_names=tuple(batch_input.target_name),
            data_type=wire_name(batch_input.data_type),
            source_input=batch_input.source_input[0],
        )
        for batch_input in config.batch_input
    )


def scatter_sources(config: ModelConfig) -> dict[str, str]:
    """Return, by output, the input whose shape it comes apart by. REQUIRES: `config` is valid."""
    sources = {
        target: batch_output.source_input[0]
        for batch_output in config.batch_output
        for target in batch_output.target_name
    }
    if config.backend == "identity":
        # It gives back what it gets, so what was gathered in one dimension must come apart again.
        for tensor in config.input:
            if tensor.allow_ragged_batch:
                sources[tensor.name.replace("INPUT", "OUTPUT", 1)] = tensor.name
    return sources
