"""Why a completed config says what its author did not write.

Whatever completes a config tells of each field that it fills, as it fills it: the field, and the
reason. A field is called as `input[INPUT0]`, `instance_group[0].count` or `parameters[key]`; where
a whole message is filled, that one alone is told. A reason begins with `inferred: ` where it comes
from the model or its files, with `default: ` where it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Tell: TypeAlias = Callable[[str, str], None]


def tell_nobody(field: str, reason: str) -> None:
    """Drop it: whoever loads a model wants its config alone."""
