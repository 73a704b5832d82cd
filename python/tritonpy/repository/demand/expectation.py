"""What is known of a model before it is loaded: what its config file says, as far as it does.

Front ends decode requests by it while the model is not in memory. Only two things in it matter to
them: whether the model is decoupled, and for requests of raw bytes alone its only input.
"""

from __future__ import annotations

from dataclasses import dataclass

from tritonpy.config import ModelConfig
from tritonpy.config.identifier import name_of
from tritonpy.config.model_config import TensorSpec, input_spec


@dataclass(frozen=True, slots=True)
class ModelExpectation:
    """A model as its config is written; what the model would complete in it is missing."""

    name: str
    max_batch_size: int = 0
    decoupled: bool = False
    inputs: tuple[TensorSpec, ...] = ()


def expectation_of(identifier: str, config: ModelConfig) -> ModelExpectation:
    """Return what a config says, whatever else may be wrong with it."""
    return ModelExpectation(
        name_of(identifier),
        config.max_batch_size,
        config.model_transaction_policy.decoupled,
        tuple(input_spec(tensor) for tensor in config.input if tensor.data_type),
    )
