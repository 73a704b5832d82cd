"""ModelConfig: what `auto_complete_config` adds to a model's configuration."""

from __future__ import annotations

import copy
from typing import Any, Final

_TENSOR_KEYS: Final = ("name", "data_type", "dims")
_OPTIONAL_KEY: Final = "optional"
_SCHEDULING_CHOICES: Final = ("dynamic_batching", "sequence_batching", "ensemble_scheduling")


class ModelConfig:
    """A configuration to be completed: what it says already stays as it is."""

    def __init__(self, model_config: dict[str, Any]) -> None:
        self._config = copy.deepcopy(model_config)

    def as_dict(self) -> dict[str, Any]:
        """Return a copy of the configuration, with Triton's names."""
        return copy.deepcopy(self._config)

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Set the greatest batch size; ValueError if the configuration has a greater one."""
        given = int(self._config.get("max_batch_size", 0))
        if given > max_batch_size:
            raise ValueError(
                f"configuration specified max_batch_size {given}, but in auto-complete-config "
                f"function for model '{self._name()}' specified max_batch_size {max_batch_size}"
            )
        self._config["max_batch_size"] = int(max_batch_size)

    def set_dynamic_batching(self) -> None:
        """Have requests batched together; ValueError if something else schedules them."""
        given = [choice for choice in _SCHEDULING_CHOICES[1:] if choice in self._config]
        if given:
            raise ValueError(
                f"Configuration specified scheduling_choice as '{given[0]}', but "
                f"auto-complete-config function for model '{self._name()}' tries to set "
                "scheduling_choice as 'dynamic_batching'"
            )
        self._config.setdefault("dynamic_batching", {})

    def add_input(self, input: dict[str, Any]) -> None:  # noqa: A002 - Triton's name
        """Add an input: `name`, `data_type`, `dims` and perhaps `optional`. Raises ValueError."""
        self._add("input", input, (*_TENSOR_KEYS, _OPTIONAL_KEY))

    def add_output(self, output: dict[str, Any]) -> None:
        """Add an output: `name`, `data_type` and `dims`. Raises ValueError."""
        self._add("output", output, _TENSOR_KEYS)

    def set_model_transaction_policy(self, transaction_policy_dict: dict[str, Any]) -> None:
        """Say whether the model is `decoupled`; ValueError if the configuration says otherwise."""
        where = f"auto-complete-config function for model '{self._name()}'"
        if any(key != "decoupled" for key in transaction_policy_dict):
            raise ValueError(
                f"model transaction property in {where} contains property other than 'decoupled'"
            )
        if "decoupled" not in transaction_policy_dict:
            return
        wanted = bool(transaction_policy_dict["decoupled"])
        given = self._config.get("model_transaction_policy")
        if given and bool(given.get("decoupled", False)) and not wanted:
            raise ValueError(
                f"trying to change decoupled property in auto-complete-config for model "
                f"'{self._name()}', which is already set to 'True'."
            )
        self._config["model_transaction_policy"] = {"decoupled": wanted}

    def _name(self) -> str:
        return str(self._config.get("name", ""))

    def _add(self, kind: str, tensor: dict[str, Any], keys: tuple[str, ...]) -> None:
        name = self._checked_name(kind, tensor, keys)
        tensors: list[dict[str, Any]] = self._config.setdefault(kind, [])
        for given in tensors:
            if given.get("name") == name:
                self._complete(kind, given, tensor)
                return
        tensors.append({key: copy.deepcopy(tensor[key]) for key in keys if key in tensor})

    def _checked_name(self, kind: str, tensor: dict[str, Any], keys: tuple[str, ...]) -> str:
        where = f"auto-complete-config function for model '{self._name()}'"
        name = str(tensor.get("name", ""))
        if any(key not in keys for key in tensor):
            *first, last = (f"'{key}'" for key in keys)
            raise ValueError(
                f"{kind} '{name}' in {where} contains property other than "
                f"{', '.join(first)} and {last}."
            )
        for key in _TENSOR_KEYS:
            if key not in tensor:
                subject = f"{kind} '{name}'" if name else kind
                raise ValueError(f"{subject} in {where} is missing '{key}' property.")
        return name

    def _complete(self, kind: str, given: dict[str, Any], tensor: dict[str, Any]) -> None:
        """Fill what an entry of the configuration leaves open; refuse what it contradicts."""
        name, model = tensor["name"], self._name()
        data_type = given.get("data_type", "TYPE_INVALID")
        if data_type == "TYPE_INVALID":
            given["data_type"] = tensor["data_type"]
        elif data_type != tensor["data_type"]:
            raise ValueError(
                f"unable to load model '{model}', configuration expects datatype {data_type} for "
                f"{kind} '{name}', model provides {tensor['data_type']}"
            )
        dims = [int(dim) for dim in given.get("dims", ())]
        wanted = [int(dim) for dim in tensor["dims"]]
        if not dims:
            given["dims"] = wanted
        elif dims != wanted:
            raise ValueError(
                f"model '{model}', tensor '{name}': the model expects dims {wanted} but the model "
                f"configuration specifies dims {dims}"
            )
        if _OPTIONAL_KEY in tensor and _OPTIONAL_KEY not in given:
            given[_OPTIONAL_KEY] = tensor[_OPTIONAL_KEY]
