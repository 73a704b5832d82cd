"""What a worker is started with: made from a config, carried through the core as text, and sent.

The core passes the text back for each instance that it starts, and does not look inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tritonpy.config.config_json import config_to_json
from tritonpy.protos.model_config_pb2 import ModelConfig

_ENVIRONMENT: Final = "EXECUTION_ENV_PATH"


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One version of a Python model."""

    model_name: str
    model_version: int
    model_path: str  # of model.py
    model_directory: str  # the one with the versions inside
    config_json: str
    execution_env_path: str  # "": the server's own interpreter
    identifier: str = ""  # what the server knows the model by

    def to_text(self) -> str:
        """Return the form in which the core carries it."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_text(text: str) -> WorkerSpec:
        """Return what `to_text` was called on."""
        return WorkerSpec(**json.loads(text))

    def start_message(
        self, mode: str, instance_name: str, kind: str, device_id: int, verbose_level: int
    ) -> dict[str, Any]:
        """Return the first message on the control channel; `mode` is serve or auto_complete."""
        config = json.loads(self.config_json)
        return {
            "op": "start",
            "mode": mode,
            "args": {
                "model_config": self.config_json,
                "model_instance_kind": kind.removeprefix("KIND_"),
                "model_instance_name": instance_name,
                "model_instance_device_id": str(device_id),
                "model_repository": self.model_directory,
                "model_version": str(self.model_version),
                "model_name": self.model_name,
            },
            "model_path": self.model_path,
            "decoupled": config.get("model_transaction_policy", {}).get("decoupled", False),
            "max_batch_size": config["max_batch_size"],
            "inputs": [*_tensors(config["input"]), *_controls(config)],
            "outputs": _tensors(config["output"]),
            "log": {"verbose_level": verbose_level},
        }


def worker_spec(config: ModelConfig, version: int, model_path: Path, directory: Path) -> WorkerSpec:
    """Return what runs one version of a model. `directory` is the model's."""
    return WorkerSpec(
        model_name=config.name,
        model_version=version,
        model_path=str(model_path.absolute()),
        model_directory=str(directory.absolute()),
        config_json=json.dumps(config_to_json(config)),
        execution_env_path=config.parameters[_ENVIRONMENT].string_value
        if _ENVIRONMENT in config.parameters
        else "",
    )


def _controls(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the inputs that tell the model about sequences, as the scheduler orders them."""
    types = {"int32_false_true": "TYPE_INT32", "fp32_false_true": "TYPE_FP32"}
    types["bool_false_true"] = "TYPE_BOOL"
    for tensor in config.get("sequence_batching", {}).get("control_input", ()):
        for control in tensor["control"]:
            of_flag = (types[field] for field in types if control.get(field))
            data_type = next(of_flag, control.get("data_type"))
            yield {"name": tensor["name"], "data_type": data_type, "dims": [1]}


def _tensors(tensors: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: tensor[key] for key in ("name", "data_type", "dims")} for tensor in tensors]
