"""Rules of an ensemble: what it may not have, and a graph that reaches every output."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Set

from tritonpy.config.platforms import ENSEMBLE
from tritonpy.protos.model_config_pb2 import ModelConfig


def ensemble_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with `ensemble_scheduling`, or with its absence."""
    name = config.name
    if not config.HasField("ensemble_scheduling"):
        if config.platform == ENSEMBLE:
            yield f"ensemble scheduling must be set for ensemble {name} whose platform is ensemble"
        return
    if config.platform != ENSEMBLE:
        yield (
            f"ensemble scheduling cannot be set for model '{name}' whose platform is not ensemble"
        )
        return
    if config.instance_group:
        yield f"instance group should not be specified for ensemble '{name}'"
    if config.HasField("optimization"):
        yield f"optimization should not be specified for ensemble '{name}'"
    if config.model_warmup:
        yield f"model_warmup can not be specified for ensemble '{name}'"
    if not config.ensemble_scheduling.step:
        yield f"must specify 'step' for ensemble '{name}'"
        return
    problems = list(_step_problems(config))
    yield from problems or _graph_problems(config)


def _step_problems(config: ModelConfig) -> Iterator[str]:
    for index, step in enumerate(config.ensemble_scheduling.step):
        for field in ("model_name", "input_map", "output_map"):
            if not getattr(step, field):
                yield f"must specify '{field}' in step {index} of ensemble '{config.name}'"


def _graph_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with the tensors between the steps. REQUIRES: steps without problems."""
    name, steps = config.name, config.ensemble_scheduling.step
    inputs = {tensor.name for tensor in config.input}
    sources: dict[str, Set[str]] = {}  # of a tensor that a step writes: the tensors it is made from
    consumed: set[str] = set()
    for index, step in enumerate(steps):
        read = set(step.input_map.values())
        consumed |= read
        for _, tensor in sorted(step.output_map.items()):
            if tensor in sources or tensor in inputs:
                yield (
                    f"ensemble tensor '{tensor}' can appear in an output map only once for "
                    f"ensemble '{name}' step {index}"
                )
            sources.setdefault(tensor, read)
    outputs = {tensor.name for tensor in config.output}
    tensors = consumed | sources.keys()
    for tensor in (tensor.name for tensor in config.input):
        if tensor not in tensors:
            yield f"ensemble input '{tensor}' for ensemble {name}' is not used"
    connected = _connected(inputs, sources)
    for tensor in (tensor.name for tensor in config.output):
        if tensor not in tensors:
            yield f"ensemble output '{tensor}' for ensemble {name}' is not used"
        elif tensor not in connected:
            yield _not_written(name, tensor, sources, connected)
    for tensor in sorted(sources.keys() - consumed - outputs):
        yield f"ensemble tensor '{tensor}' is unused in ensemble '{name}'"


def _connected(inputs: Set[str], sources: Mapping[str, Set[str]]) -> set[str]:
    """Return the tensors that exist once the ensemble's inputs do."""
    connected = set(inputs)
    waiting = dict(sources)
    while True:
        made = [tensor for tensor, read in waiting.items() if read <= connected]
        if not made:
            return connected
        for tensor in made:
            del waiting[tensor]
        connected.update(made)


def _not_written(
    name: str, output: str, sources: Mapping[str, Set[str]], connected: Set[str]
) -> str:
    text = f"output '{output}' for ensemble '{name}' is not written"
    seen, queue = {output}, deque([output])
    while queue:
        tensor = queue.popleft()
        if tensor not in sources and tensor != output:
            reason = f"at least one of its depending tensors, '{tensor}', is not connected"
            return f"{text}: {reason}"
        missing = sorted(sources.get(tensor, set()) - connected - seen)
        seen.update(missing)
        queue.extend(missing)
    return text
