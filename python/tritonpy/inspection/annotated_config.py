"""A completed config as text, with comments that say what was filled in, and why."""

from __future__ import annotations

from collections.abc import Mapping

from tritonpy.config import ModelConfig, print_config
from tritonpy.inspection.config_text import ConfigText


def annotated(config: ModelConfig, reasons: Mapping[str, str]) -> str:
    """Return what `print_config` does, and after each field that was filled the reason for that.

    `reasons` are those that completion told, by field (see `config.provenance`).
    """
    printed = print_config(config)
    text = ConfigText(printed)
    of_line = {text.line_of(field): reason for field, reason in reasons.items()}
    return "".join(
        f"{line}  # {of_line[number]}\n" if number in of_line else f"{line}\n"
        for number, line in enumerate(printed.splitlines(), 1)
    )
