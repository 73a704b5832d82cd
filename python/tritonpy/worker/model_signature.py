"""What the model's configuration says of its tensors, by the places that messages use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tritonpy.worker.data_types import CODES


class ModelSignature:
    """Names and data types of a model's inputs and outputs, in the configuration's order."""

    def __init__(
        self,
        model_name: str,
        instance_name: str,
        inputs: Sequence[Mapping[str, Any]],
        outputs: Sequence[Mapping[str, Any]],
        *,
        is_decoupled: bool,
    ) -> None:
        self.model_name: Final = model_name
        self.instance_name: Final = instance_name
        self.is_decoupled: Final = is_decoupled
        self.input_names: Final = tuple(str(tensor["name"]) for tensor in inputs)
        self.input_codes: Final = tuple(CODES[tensor["data_type"]] for tensor in inputs)
        self.output_names: Final = tuple(str(tensor["name"]) for tensor in outputs)
        self.output_codes: Final = tuple(CODES[tensor["data_type"]] for tensor in outputs)
        self.output_places: Final = {name: at for at, name in enumerate(self.output_names)}
