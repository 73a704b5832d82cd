"""Parameters of a model that are ours and not Triton's: off where the config does not name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tritonpy.protos.model_config_pb2 import ModelConfig


def own_parameter(config: ModelConfig, name: str) -> str | None:
    """Return the parameter's text; None where the config says nothing."""
    return config.parameters[name].string_value if name in config.parameters else None


def impossible(config: ModelConfig, name: str, reasons: Iterable[str]) -> Iterator[str]:
    """Yield one text for each reason why the model cannot have the parameter."""
    for reason in reasons:
        yield f"parameter '{name}' is not possible for {config.name}: {reason}"
