"""The usage text, made from the table of options."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tritonpy.options.readers import INT32_MAX
from tritonpy.options.spec import Effect, OptionSpec, Section
from tritonpy.options.table import SECTIONS

_WIDTH = 96
_SYNOPSIS = """Usage: tritonpy serve --repo DIRECTORY [options]
       tritonpy serve MODEL.onnx [options]
       tritonpy serve MODEL.py [options]"""
_REMARKS = (
    "A value follows its option after a space or an equals sign. Options marked (R) may be given "
    "more than once; of the others the last one counts. Those marked (-) are accepted so that "
    "start scripts run, and have no effect yet."
)


def usage() -> str:
    """Return the usage text of `tritonpy serve`."""
    parts = [_SYNOPSIS, textwrap.fill(_REMARKS, _WIDTH)]
    parts.extend("\n".join(_section_lines(section)) for section in SECTIONS)
    return "\n\n".join(parts)


def _section_lines(section: Section) -> Iterator[str]:
    yield f"{section.title}:"
    for option in section.options:
        value = f" <{option.placeholder}>" if option.placeholder else ""
        marks = (" (R)" if option.repeatable else "") + (
            " (-)" if option.effect is Effect.NONE else ""
        )
        yield f"  --{option.name}{value}{marks}"
        yield textwrap.fill(
            option.meaning + _default_text(option),
            _WIDTH,
            initial_indent=" " * 8,
            subsequent_indent=" " * 8,
        )


def _default_text(option: OptionSpec) -> str:
    if option.is_flag or option.replaced_by or option.default in ("", (), INT32_MAX):
        return ""
    shown = str(option.default).lower() if isinstance(option.default, bool) else option.default
    return f" Default: {shown}."
