"""Parameters of requests and responses: a dict for users, who get it back as JSON text."""

from __future__ import annotations

import json
from struct import Struct
from typing import Any, Final, Union

from tritonpy.worker import wire
from tritonpy.worker.errors import TritonModelException

Parameters = dict[str, Union[bool, int, float, str]]

# How messages hold a value, by its kind; a string holds itself.
_VALUES: Final = (Struct("<?"), Struct("<q"), Struct("<Q"), Struct("<d"))
_BOOL, _INT64, _UINT64, _DOUBLE, _STRING = range(5)
_INT64_END: Final = 1 << 63


def checked(parameters: Any) -> Parameters:
    """Return a dict of str to bool, int or str, None being an empty one; TritonModelException."""
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise TritonModelException(f"Expect parameters to have type dict, got {type(parameters)}")
    for key, value in parameters.items():
        if not isinstance(key, str):
            raise TritonModelException(
                f"Expect parameters keys to have type str, found type {type(key)}"
            )
        if not isinstance(value, (bool, int, str)):
            raise TritonModelException(
                f"Expect parameters values to have type bool/int/str, found type {type(value)}"
            )
        if isinstance(value, int) and not -_INT64_END <= value < 2 * _INT64_END:
            raise TritonModelException(
                f"Expect the value of parameter '{key}' to fit into 64 bits, found {value}"
            )
    return dict(parameters)


def as_text(parameters: Parameters) -> str:
    """Return the text of a JSON object."""
    return json.dumps(parameters)


def written(parameters: Parameters) -> bytes:
    """Return the parameters, whose count stands elsewhere, as messages hold them."""
    parts = []
    for name, value in parameters.items():
        parts.append(wire.string(name))
        if isinstance(value, str):
            parts.append(bytes((_STRING,)) + wire.string(value))
        else:
            kind = _kind_of(value)
            parts.append(bytes((kind,)) + _VALUES[kind].pack(value))
    return b"".join(parts)


def _kind_of(value: bool | float) -> int:
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, float):
        return _DOUBLE
    return _INT64 if value < _INT64_END else _UINT64


def read(buffer: bytes | bytearray, at: int, count: int) -> tuple[Parameters, int]:
    """Return the `count` parameters at `at`, and where they end.

    ValueError, IndexError or struct.error where there are none.
    """
    parameters: Parameters = {}
    for _ in range(count):
        name, at = wire.read_string(buffer, at)
        kind = buffer[at]
        at += 1
        if kind == _STRING:
            parameters[name], at = wire.read_string(buffer, at)
        else:
            (parameters[name],) = _VALUES[kind].unpack_from(buffer, at)
            at += _VALUES[kind].size
    return parameters, at
