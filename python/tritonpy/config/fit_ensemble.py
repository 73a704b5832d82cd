"""An ensemble against the models that it is composed of: whether they fit, and what follows.

The rules of the config alone are in `validate_ensemble`; those here need the completed configs of
the composing models, one for each step, in the order of the steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.config.validate import raise_problems
from tritonpy.protos.model_config_pb2 import (
    DataType,
    ModelConfig,
    ModelEnsembling,
    ModelInput,
    ModelOutput,
)


@dataclass(frozen=True, slots=True)
class _TensorView:
    """What one model says of an ensemble tensor."""

    model_name: str
    data_type: int
    dims: tuple[int, ...]
    full_dims: tuple[int, ...]  # with the batch dimension, where there is one


def fit_ensemble(
    config: ModelConfig, composing: Sequence[ModelConfig], tell: Tell = tell_nobody
) -> ModelConfig:
    """Return the ensemble's config with what its models make of it: whether it is decoupled.

    Raises InvalidArgError with every problem, one a line, Triton's first error first.
    """
    raise_problems(list(_fit_problems(config, composing)))
    origins = _decoupled_origins(config, composing)
    raise_problems(list(_origin_problems(config, origins)))
    fitted = ModelConfig()
    fitted.CopyFrom(config)
    decoupled = any(origins[output.name] for output in config.output)
    if decoupled or config.HasField("model_transaction_policy"):
        fitted.model_transaction_policy.decoupled = decoupled
        if fitted != config:
            which = "a" if decoupled else "no"
            tell("model_transaction_policy", f"inferred: from {which} decoupled model in its steps")
    return fitted


def inherited_labels(
    config: ModelConfig,
    own: Mapping[str, tuple[str, ...]],
    of_steps: Sequence[Mapping[str, tuple[str, ...]]],
) -> dict[str, tuple[str, ...]]:
    """Return the labels of each output: its own, or those of the step output that it comes from."""
    labels = {
        tensor: step_labels[output]
        for step, step_labels in zip(config.ensemble_scheduling.step, of_steps, strict=True)
        for output, tensor in step.output_map.items()
        if output in step_labels
    }
    return {**labels, **own}


def _fit_problems(config: ModelConfig, composing: Sequence[ModelConfig]) -> Iterator[str]:
    views: dict[str, _TensorView] = {}
    views.update({tensor.name: _view(config, tensor) for tensor in config.input})
    views.update({tensor.name: _view(config, tensor) for tensor in config.output})
    for step, model in zip(config.ensemble_scheduling.step, composing, strict=True):
        if model.max_batch_size < config.max_batch_size:
            yield (
                f"ensemble {config.name} allows maximum batch size {config.max_batch_size}, but it "
                f"contains model {model.name} which only allows maximum batch size to be "
                f"{model.max_batch_size}"
            )
        yield from _input_problems(config.name, step, model, views)
        yield from _output_problems(config.name, step, model, views)


def _input_problems(
    ensemble: str, step: ModelEnsembling.Step, model: ModelConfig, views: dict[str, _TensorView]
) -> Iterator[str]:
    inputs = {tensor.name: tensor for tensor in model.input}
    for name, tensor in sorted(step.input_map.items()):
        if name not in inputs:
            yield (
                f"in ensemble {ensemble}, ensemble tensor {tensor} is mapping to non-existing "
                f"input {name} in model {model.name}"
            )
    for name, spec in inputs.items():
        if name in step.input_map:
            yield from _consistency_problems(
                ensemble, step.input_map[name], _view(model, spec), views
            )
        elif not spec.optional:
            yield (
                f"in ensemble {ensemble}, input {name} in model {model.name} is not mapped to any "
                "ensemble tensors"
            )


def _output_problems(
    ensemble: str, step: ModelEnsembling.Step, model: ModelConfig, views: dict[str, _TensorView]
) -> Iterator[str]:
    outputs = {tensor.name: tensor for tensor in model.output}
    for name, tensor in sorted(step.output_map.items()):
        if name in outputs:
            yield from _consistency_problems(ensemble, tensor, _view(model, outputs[name]), views)
        else:
            yield (
                f"in ensemble {ensemble}, ensemble tensor {tensor} is mapped from non-existing "
                f"output {name} in model {model.name}"
            )


def _view(model: ModelConfig, tensor: ModelInput | ModelOutput) -> _TensorView:
    dims = tuple(tensor.dims)
    full_dims = (-1, *dims) if model.max_batch_size > 0 else dims
    return _TensorView(model.name, tensor.data_type, dims, full_dims)


def _consistency_problems(
    ensemble: str, tensor: str, new: _TensorView, views: dict[str, _TensorView]
) -> Iterator[str]:
    known = views.setdefault(tensor, new)
    subject = f"in ensemble {ensemble}, ensemble tensor {tensor}: inconsistent "
    if known.data_type != new.data_type:
        yield (
            f"{subject}data type: {DataType.Name(known.data_type)} is inferred from model "
            f"{known.model_name} while {DataType.Name(new.data_type)} is inferred from model "
            f"{new.model_name}"
        )
    # Where one model batches and the other does not, the batch dimension is either dropped and
    # added, or a dimension like any other to the model without.
    elif not _fit(known.dims, new.dims) and not _fit(known.full_dims, new.full_dims):
        yield (
            f"{subject}shape: {_text(known.full_dims)} is inferred from model {known.model_name} "
            f"while {_text(new.full_dims)} is inferred from model {new.model_name}"
        )


def _fit(one: Sequence[int], other: Sequence[int]) -> bool:
    return len(one) == len(other) and all(
        a == b or -1 in (a, b) for a, b in zip(one, other, strict=True)
    )


def _text(dims: Sequence[int]) -> str:
    return f"[{','.join(str(dim) for dim in dims)}]"


def _decoupled_origins(
    config: ModelConfig, composing: Sequence[ModelConfig]
) -> dict[str, frozenset[int]]:
    """Return the last decoupled steps before each tensor; two where a step mixes them."""
    steps = config.ensemble_scheduling.step
    origins: dict[str, frozenset[int]] = {tensor.name: frozenset() for tensor in config.input}
    waiting = list(range(len(steps)))
    while waiting:
        able = [i for i in waiting if all(t in origins for t in steps[i].input_map.values())]
        if not able:
            break  # steps that no output needs
        for index in able:
            read = _all_origins(origins, steps[index].input_map.values())
            decoupled = composing[index].model_transaction_policy.decoupled and len(read) <= 1
            for tensor in steps[index].output_map.values():
                origins[tensor] = frozenset((index,)) if decoupled else read
        waiting = [index for index in waiting if index not in able]
    return origins


def _all_origins(origins: Mapping[str, frozenset[int]], tensors: Iterable[str]) -> frozenset[int]:
    return frozenset(step for tensor in tensors for step in origins.get(tensor, ()))


def _origin_problems(config: ModelConfig, origins: Mapping[str, frozenset[int]]) -> Iterator[str]:
    for step in config.ensemble_scheduling.step:
        if len(_all_origins(origins, step.input_map.values())) > 1:
            yield (
                f"in ensemble {config.name}, step of model '{step.model_name}' receives inputs "
                "originated from different decoupled models"
            )
            return
    # Beyond Triton, which never sends such a response: nobody could say what belongs together.
    if len(_all_origins(origins, (output.name for output in config.output))) > 1:
        yield (
            f"in ensemble {config.name}, the outputs are originated from different decoupled models"
        )
