"""Reads the text of one option value, in Triton's spellings and with Triton's complaints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from tritonpy.options.settings import ResourceCount

Reader: TypeAlias = Callable[[str], object]

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1

_TRUE: Final = frozenset(("true", "on", "1"))
_FALSE: Final = frozenset(("false", "off", "0"))
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")


class OptionError(Exception):
    """A command line that cannot be served; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`[scope,]key=value`: a trace mode's, a cache's, a backend's or a host policy's setting."""

    scope: str
    key: str
    value: str


def text(value: str) -> str:
    """Take any text."""
    return value


def boolean(value: str) -> bool:
    """Read true, on, 1, false, off or 0, in any case."""
    word = value.lower()
    if word not in _TRUE | _FALSE:
        raise OptionError(f"invalid value for bool option: {value}")
    return word in _TRUE


def verbosity(value: str) -> int:
    """Read a level, or a boolean for 1 and 0."""
    word = value.lower()
    return int(word in _TRUE) if word in _TRUE | _FALSE else integer()(value)


def integer(
    minimum: int = -INT32_MAX - 1, maximum: int = INT32_MAX, range_text: str = ""
) -> Callable[[str], int]:
    """Return a reader of integers; `range_text` is what it says of one out of its range."""

    def read(value: str) -> int:
        if not _INTEGER.fullmatch(value.strip()):
            raise OptionError(f"Invalid option value. Got {value}")
        # Python refuses to read numbers of thousands of digits; none of them is in range.
        number = int(value) if len(value) <= 40 else INT64_MAX + 1
        if not minimum <= number <= maximum:
            raise OptionError(range_text or f"Provided option value is out of bound. Got {value}")
        return number

    return read


def decimal(value: str) -> float:
    """Read a decimal number."""
    if not _DECIMAL.fullmatch(value.strip()):
        raise OptionError(f"Invalid option value. Got {value}")
    return float(value)


def choice(option: str, allowed: Iterable[str]) -> Callable[[str], str]:
    """Return a reader that takes one of `allowed`, as they are spelt."""
    words = tuple(allowed)

    def read(value: str) -> str:
        if value not in words:
            raise OptionError(
                f"invalid argument for --{option}: '{value}', expected one of {', '.join(words)}"
            )
        return value

    return read


def metrics_setting(value: str) -> Setting:
    """Read `<setting>=<value>` or `<family>,<setting>=<value>` of --metrics-config."""
    setting = _setting(value)
    if setting is None:
        raise OptionError(f"--metrics-config option format is <setting>=<value>. Got {value}")
    return setting


def scoped_setting(
    option: str, scope_meaning: str, *, scope_required: bool
) -> Callable[[str], Setting]:
    """Return a reader of `<scope>,<setting>=<value>`."""

    def read(value: str) -> Setting:
        setting = _setting(value)
        if setting is None or (scope_required and not setting.scope):
            raise OptionError(
                f"--{option} option format is '<{scope_meaning}>,<setting>=<value>'. Got {value}"
            )
        return setting

    return read


def _setting(value: str) -> Setting | None:
    left, equals, right = value.partition("=")
    scope, comma, key = left.rpartition(",")
    if not equals or not key or not right or (comma and not scope):
        return None
    return Setting(scope.strip(), key.strip(), right)


def rate_limit_resource(value: str) -> ResourceCount:
    """Read `<name>:<count>[:<device>]`."""
    parts = value.split(":")
    if len(parts) not in (2, 3) or not parts[0] or not all(map(_INTEGER.fullmatch, parts[1:])):
        raise OptionError(
            "--rate-limit-resource option format is '<resource_name>:<count>:<device>' or "
            f"'<resource_name>:<count>'. Got {value}"
        )
    count, *device = (integer(0)(part) for part in parts[1:])
    return ResourceCount(parts[0], count, device[0] if device else None)


def device_size(option: str) -> Callable[[str], str]:
    """Return a reader that checks `<GPU>:<bytes>`."""

    def read(value: str) -> str:
        if not re.fullmatch(r"[0-9]+:[0-9]+", value):
            raise OptionError(f"--{option} option format is '<integer>:<integer>'. Got {value}")
        return value

    return read


def gpu_limit(value: str) -> str:
    """Check `<device>:<fraction>` of --model-load-gpu-limit."""
    device, _, fraction = value.partition(":")
    if not _INTEGER.fullmatch(device) or not _DECIMAL.fullmatch(fraction):
        raise OptionError(
            f"--model-load-gpu-limit option format is '<device id>:<fraction>'. Got {value}"
        )
    if device.startswith("-"):
        raise OptionError(f"--model-load-gpu-limit expects device ID >= 0, got {device}")
    if not 0.0 <= float(fraction) <= 1.0:
        raise OptionError(
            "--model-load-gpu-limit expects limit fraction to be in range [0.0, 1.0], "
            f"got {fraction}"
        )
    return value


def restriction(value: str) -> str:
    """Check `<category>[,<category>...]:<header>=<value>` of the restricted-access options."""
    categories, colon, pair = value.partition(":")
    header, equals, _ = pair.partition("=")
    if not (colon and equals and header and all(categories.split(","))):
        raise OptionError(
            "the format of a restriction is '<category>[,<category>...]:<header>=<value>'. "
            f"Got {value}"
        )
    return value
