"""Takes a command line apart: which options were given, which values, and what else there was.

Both `--option value` and `--option=value` are read, and an option may be cut short while no other
begins the same way, as getopt's long options may. What options mean together is `composition`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from tritonpy.options.readers import OptionError
from tritonpy.options.spec import OptionSpec
from tritonpy.options.table import OPTIONS

_Value = TypeVar("_Value")


class UsageError(OptionError):
    """A command line that nothing can be made of: the usage text helps."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The values of each given option, in the order given, and the arguments that are no option."""

    given: dict[str, list[object]] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Return whether the option was given."""
        return name in self.given

    def value(self, name: str, kind: type[_Value]) -> _Value:
        """Return the last value given, else the default. REQUIRES: the option reads as `kind`."""
        values = self.given.get(name)
        value = OPTIONS[name].default if values is None else values[-1]
        assert isinstance(value, kind), f"--{name} is no {kind.__name__}"
        return value

    def values(self, name: str, kind: type[_Value]) -> tuple[_Value, ...]:
        """Return every value given. REQUIRES: as for `value`."""
        values = self.given.get(name, [])
        assert all(isinstance(value, kind) for value in values), f"--{name}: {kind.__name__}"
        return cast("tuple[_Value, ...]", tuple(values))


def read_command_line(arguments: Sequence[str]) -> CommandLine:
    """Read what follows the program's name, and `serve`.

    Raises UsageError for an option that is not known or lacks its value, OptionError for a value
    that its option cannot have.
    """
    given: dict[str, list[object]] = {}
    others: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            others.extend(remaining)
        elif argument == "-h":
            given.setdefault("help", []).append(True)
        elif argument.startswith("--"):
            spec, value = _read_option(argument, remaining)
            given.setdefault(spec.name, []).append(value)
        elif argument.startswith("-") and argument != "-":
            raise UsageError(f"unrecognized option '{argument}'")
        else:
            others.append(argument)
    return CommandLine(given, tuple(others))


def _read_option(argument: str, remaining: Iterator[str]) -> tuple[OptionSpec, object]:
    name, equals, value = argument[2:].partition("=")
    spec = _find_option(name)
    if spec.is_flag:
        if equals:
            raise UsageError(f"option '--{spec.name}' doesn't allow an argument")
        return spec, True
    if not equals:
        following = next(remaining, None)
        if following is None:
            raise UsageError(f"option '--{spec.name}' requires an argument")
        value = following
    try:
        return spec, spec.read(value)
    except OptionError as error:
        if f"--{spec.name}" in str(error):
            raise
        raise OptionError(f"--{spec.name}: {error}") from error


def _find_option(name: str) -> OptionSpec:
    spec = OPTIONS.get(name)
    if spec is not None:
        return spec
    candidates = [
        spec for full_name, spec in OPTIONS.items() if name and full_name.startswith(name)
    ]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        possibilities = " ".join(f"'--{candidate.name}'" for candidate in candidates)
        raise UsageError(f"option '--{name}' is ambiguous; possibilities: {possibilities}")
    raise UsageError(f"unrecognized option '--{name}'")
