"""The parameters of the load and unload calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tritonpy.errors import InvalidArgError

ParameterValue: TypeAlias = bool | int | float | str | bytes

_FILE = "file:"
_TYPE_NAMES = {bool: "BOOL", int: "INT", float: "DOUBLE", str: "STRING", bytes: "BYTES"}


@dataclass(frozen=True, slots=True)
class LoadOverride:
    """What a load call gives instead of what is on disk."""

    config: str  # JSON
    files: Mapping[str, bytes] = field(default_factory=dict)  # by path; any: instead of all on disk


def require_loadable_name(name: str) -> None:
    """Raise InvalidArgError for a name that could not be a directory of a repository."""
    if not name.strip():
        raise InvalidArgError("Model name cannot be empty. Please enter a valid name to deploy.")
    if "/" in name or ".." in name:
        raise InvalidArgError(
            f"invalid model name '{name}', model name must not contain path traversal characters"
        )


def override_of(parameters: Mapping[str, ParameterValue]) -> LoadOverride | None:
    """Return the config and files that a load call gives, None where it gives none.

    Raises InvalidArgError for any other parameter, and for files without a config.
    """
    files: dict[str, bytes] = {}
    for name, value in parameters.items():
        if name.startswith(_FILE) and isinstance(value, bytes):
            if "config" not in parameters:
                raise InvalidArgError(
                    "Load parameter 'config' must be specified for model file override"
                )
            files[name.removeprefix(_FILE)] = value
        elif name != "config" or not isinstance(value, str):
            raise InvalidArgError(
                f"Unrecognized load parameter '{name}' with type '{_TYPE_NAMES[type(value)]}'"
            )
    config = parameters.get("config")
    return LoadOverride(config, files) if isinstance(config, str) else None


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
