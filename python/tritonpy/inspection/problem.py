"""One thing that is wrong with a repository, as its owner wants to read it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Severity(Enum):
    """How bad it is; the values are what is printed."""

    ERROR = "error"  # a server does not load it
    WARNING = "warning"  # a server does, but hardly as it was meant


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do about it."""

    file: Path
    text: str
    fix: str = ""
    line: int = 0  # from 1; 0: the file as a whole, or a directory
    column: int = 0  # from 1; 0: the line as a whole
    field: str = ""  # of a config: `input[INPUT0].dims`
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """Return it as compilers do, so that editors find the place."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        field = f"{self.field}: " if self.field else ""
        fix = f"\n    fix: {self.fix}" if self.fix else ""
        return f"{place}: {self.severity.value}: {field}{self.text}{fix}"
