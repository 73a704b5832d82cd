"""The steps of an ensemble as plain values, for the C++ core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tritonpy.config.identifier import step_identifier
from tritonpy.protos.model_config_pb2 import ModelConfig, ModelEnsembling


@dataclass(frozen=True, slots=True)
class StepInputSpec:
    """One input of a composing model, and the ensemble tensor that it is given."""

    name: str
    tensor: str
    optional: bool
    rank: int  # that the model expects, with its batch dimension


@dataclass(frozen=True, slots=True)
class StepOutputSpec:
    """One output of a composing model, and the ensemble tensor that it becomes."""

    name: str
    tensor: str


@dataclass(frozen=True, slots=True)
class EnsembleStepSpec:
    """One call of a composing model."""

    model_name: str
    model_version: int  # -1: the newest
    decoupled: bool
    inputs: tuple[StepInputSpec, ...]
    outputs: tuple[StepOutputSpec, ...]


@dataclass(frozen=True, slots=True)
class EnsembleSpec:
    """An ensemble's part of `CoreModelConfig`."""

    steps: tuple[EnsembleStepSpec, ...]
    max_inflight_requests: int  # of one step, over all requests; 0: unlimited


def lower_ensemble(config: ModelConfig, composing: Sequence[ModelConfig]) -> EnsembleSpec:
    """Return the steps as plain values. REQUIRES: `config` fits `composing`, its steps' models."""
    scheduling = config.ensemble_scheduling
    return EnsembleSpec(
        steps=tuple(
            _step_spec(step, model) for step, model in zip(scheduling.step, composing, strict=True)
        ),
        max_inflight_requests=scheduling.max_inflight_requests,
    )


def _step_spec(step: ModelEnsembling.Step, model: ModelConfig) -> EnsembleStepSpec:
    batch_dims = 1 if model.max_batch_size > 0 else 0
    return EnsembleStepSpec(
        model_name=step_identifier(step),
        model_version=step.model_version if step.model_version > 0 else -1,
        decoupled=model.model_transaction_policy.decoupled,
        inputs=tuple(
            StepInputSpec(
                name=tensor.name,
                tensor=step.input_map[tensor.name],
                optional=tensor.optional,
                rank=batch_dims + len(tensor.dims),
            )
            for tensor in model.input
            if tensor.name in step.input_map
        ),
        outputs=tuple(
            StepOutputSpec(tensor.name, step.output_map[tensor.name])
            for tensor in model.output
            if tensor.name in step.output_map
        ),
    )
