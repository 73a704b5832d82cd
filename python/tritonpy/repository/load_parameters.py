"""The parameters of the load and unload calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from tritonpy.errors import InvalidArgError, UnsupportedError

ParameterValue: TypeAlias = bool | int | float | str | bytes

_TYPE_NAMES = {bool: "BOOL", int: "INT", float: "DOUBLE", str: "STRING", bytes: "BYTES"}


def require_loadable_name(name: str) -> None:
    """Raise InvalidArgError for a name that could not be a directory of a repository."""
    if not name.strip():
        raise InvalidArgError("Model name cannot be empty. Please enter a valid name to deploy.")
    if "/" in name or ".." in name:
        raise InvalidArgError(
            f"invalid model name '{name}', model name must not contain path traversal characters"
        )


def config_override_of(parameters: Mapping[str, ParameterValue]) -> str | None:
    """Return the config (as JSON) that a load call gives, None where it gives none.

    Raises UnsupportedError for files, InvalidArgError for any other parameter.
    """
    for name, value in parameters.items():
        if name.startswith("file:"):
            if "config" not in parameters:
                raise InvalidArgError(
                    "Load parameter 'config' must be specified for model file override"
                )
            raise UnsupportedError(f"load parameter '{name}' is not supported yet")
        if name != "config" or not isinstance(value, str):
            raise InvalidArgError(
                f"Unrecognized load parameter '{name}' with type '{_TYPE_NAMES[type(value)]}'"
            )
    config = parameters.get("config")
    return config if isinstance(config, str) else None


def unloads_dependents(parameters: Mapping[str, ParameterValue]) -> bool:
    """Return `unload_dependents`: whether to unload also what an ensemble is composed of.

    Raises InvalidArgError for any other parameter, and for another type.
    """
    for name, value in parameters.items():
        if name != "unload_dependents" or not isinstance(value, bool):
            raise InvalidArgError(
                f"Unrecognized unload parameter '{name}' with type '{_TYPE_NAMES[type(value)]}'"
            )
    return parameters.get("unload_dependents", False) is True
