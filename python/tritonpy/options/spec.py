"""What the command line is made of: one OptionSpec for each option."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tritonpy.options.readers import Reader


class Effect(Enum):
    """How much of an option this server does."""

    FULL = "full"
    DEFAULT_ONLY = "default only"  # does what the default says, and warns of any other value
    NONE = "none"  # is read and checked, and warns when given


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One long option. `read` turns its text into a value or raises OptionError."""

    name: str
    read: Reader
    placeholder: str  # of the value, in the usage text; empty for a flag that takes none
    default: object
    meaning: str
    effect: Effect = Effect.FULL
    repeatable: bool = False
    replaced_by: str = ""  # of a deprecated option: the one to use instead
    frontend: str = ""  # the one --frontend that does it; empty: all do

    @property
    def is_flag(self) -> bool:
        """Whether the option takes no value."""
        return not self.placeholder


@dataclass(frozen=True, slots=True)
class Section:
    """Options that belong together in the usage text."""

    title: str
    options: tuple[OptionSpec, ...]
