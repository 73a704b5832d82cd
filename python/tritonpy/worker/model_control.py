"""Loading and unloading the server's other models from within a model."""

from __future__ import annotations

import base64
from typing import Any

from tritonpy.worker import runtime
from tritonpy.worker.errors import TritonModelException


def load_model(model_name: str, config: str = "", files: dict[str, bytes] | None = None) -> None:
    """Load a model, with another `config` (JSON) and `files` (`file:1/model.py` to bytes) if given.

    Works only where models are loaded explicitly, and not in `finalize`, where the server may wait
    for this model. Raises TritonModelException.
    """
    encoded: dict[str, str] = {}
    if files is not None:
        if not isinstance(files, dict) or not all(
            isinstance(path, str) and isinstance(data, (bytes, bytearray, str))
            for path, data in files.items()
        ):
            raise TritonModelException(
                f"failed to load model '{model_name}', files should be a dictionary of file paths "
                "and file contents"
            )
        for path, data in files.items():
            content = data.encode() if isinstance(data, str) else data
            encoded[path] = base64.b64encode(content).decode("ascii")
    _change("load", {"name": model_name, "config": config, "files": encoded})


def unload_model(model_name: str, unload_dependents: bool = False) -> None:
    """Unload a model, and with `unload_dependents` those that an ensemble is made of.

    Not in `finalize`. Raises TritonModelException.
    """
    _change("unload", {"name": model_name, "unload_dependents": bool(unload_dependents)})


def is_model_ready(model_name: str, model_version: str = "") -> bool:
    """Whether a version of a model, or the newest, can be asked now."""
    message = {"op": "is_model_ready", "name": model_name, "version": str(model_version)}
    return bool(runtime.current().call(message))


def get_model_dir() -> str:
    """Return the model's directory, which holds its configuration and its versions."""
    return runtime.model_directory()


def _change(verb: str, arguments: dict[str, Any]) -> None:
    worker = runtime.current()
    if worker.ended.is_set():
        raise TritonModelException(
            f"Failed to {verb} model: a model cannot {verb} others in its 'finalize'."
        )
    worker.call({"op": f"{verb}_model", **arguments})
