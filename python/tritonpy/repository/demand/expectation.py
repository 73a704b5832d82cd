"""What is known of a model before it is loaded: what its config file says, as far as it does.

Front ends decode requests by it while the model is not in memory. Only two things in it matter to
them: whether the model is decoupled, and for requests of raw bytes alone its only input.
"""

from __future__ import annotations

from dataclasses import dataclass

from tritonpy.config import ModelConfig, wire_name
from tritonpy.config.identifier import name_of


@dataclass(frozen=True, slots=True)
class ExpectedInput:
    """One input: its name, its V2 data type and its shape without the batch dimension."""

    name: str
    data_type: str
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelExpectation:
    """A model as its config is written; inputs that the model would complete are missing."""

    name: str
    max_batch_size: int = 0
    decoupled: bool = False
    inputs: tuple[ExpectedInput, ...] = ()


def expectation_of(identifier: str, config: ModelConfig) -> ModelExpectation:
    """Return what a config says, whatever else may be wrong with it."""
    return ModelExpectation(
        name_of(identifier),
        config.max_batch_size,
        config.model_transaction_policy.decoupled,
        tuple(
            ExpectedInput(tensor.name, wire_name(tensor.data_type), tuple(tensor.dims))
            for tensor in config.input
        ),
    )
