"""A config that protobuf's parser refuses: where, and what to do about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tritonpy.inspection.advice import closest
from tritonpy.inspection.problem import Problem
from tritonpy.protos import POOL

_QUOTE: Final = re.compile(r"^'.*': (?=[A-Z])")
_ENUM: Final = re.compile(r"""[Ee]num type ['"]([\w.]+)['"] has no value (?:named )?["']?(\w+)""")
_UNKNOWN: Final = re.compile(r'^Message type "([\w.]+)" has no field named "([^"]*)"')
_COMMA: Final = "remove the comma before the closing bracket"
# Pattern of what the parser says, fix.
_FIXES: Final = (
    (r"should not have multiple \"(\w+)\" fields", r"keep one '\1'"),
    (
        r'Field "(\w+)" is specified along with field "(\w+)"',
        r"keep either '\1' or '\2'",
    ),
    (r"Couldn't parse (?:integer|float): [\]}]", _COMMA),
    (r"Couldn't parse integer", "write a whole number, without quotes"),
    (r"Couldn't parse float", "write a number, without quotes"),
    (r"Value out of range", "write a number that fits the field; none may be negative by mistake"),
    (r'Expected "true" or "false"', "write true or false"),
    (r"Expected string", 'put the text in quotes: "..."'),
    (r"missing ending quote", "end the text with the quote that it began with"),
    (r'Expected ":"', "write a colon between the field and its value"),
    (r'Expected "{"', "write the field's own fields in braces: { ... }"),
    (r'Expected "}"', "close the brace that is open here"),
    (r'Expected ","', "write a comma between the elements of a list, and close it with ]"),
    (r"Expected identifier.* got /", "begin a comment with #"),
    (r"Expected identifier.* got \ufeff", "save the file without a byte order mark"),
    (
        r"Expected identifier",
        "begin with the name of a field (the text form of protobuf, not JSON), and look for a "
        "bracket too many before this line",
    ),
)


def syntax_problems(file: Path, text: str, message: str) -> Iterator[Problem]:
    """Yield one problem for each line of what `parse_config` says of `text`, which is `file`'s."""
    lines = text.split("\n")
    for told in message.split("\n"):
        rest = told.removeprefix(f"{file}:")
        place = re.match(r"(\d+):(\d+): ", rest)
        if place is None:
            field, _, reason = rest.strip().partition(": ")
            yield Problem(file, reason, _fix(reason), field=field)
        else:
            line, column = int(place[1]), int(place[2])
            reason = _QUOTE.sub("", rest[place.end() :])
            fix = _fix(reason, lines[line - 1][column - 1 :])
            yield Problem(file, reason, fix, line, column)


def _fix(text: str, stopped_at: str = "") -> str:
    """Return what to do about what the parser says, and where it stopped."""
    if stopped_at.startswith("]") and 'Expected "{"' in text:
        return _COMMA
    unknown, enum = _UNKNOWN.search(text), _ENUM.search(text)
    if unknown is not None:
        return _field_fix(unknown[1], unknown[2])
    if enum is not None:
        return _enum_fix(enum[1], enum[2])
    for pattern, fix in _FIXES:
        found = re.search(pattern, text)
        if found is not None:
            return found.expand(fix)
    return "see the text form of protobuf: field: value, or field { ... }"


def _field_fix(message: str, field: str) -> str:
    known = [one.name for one in POOL.FindMessageTypeByName(message).fields]
    meant = closest(field, known)
    if meant:
        return f"write '{meant}'"
    shown = ", ".join(sorted(known))
    return f"remove it; the fields of {message.rpartition('.')[2]} are {shown}"


def _enum_fix(enum: str, value: str) -> str:
    known = [one.name for one in POOL.FindEnumTypeByName(enum).values]
    if value in known:
        return f"write {value} without quotes"
    # A prefix is what is most often left out: FP32 for TYPE_FP32.
    meant = next((name for name in known if name.endswith(f"_{value.upper()}")), "")
    meant = meant or next(iter(difflib.get_close_matches(value.upper(), known, n=1)), "")
    return f"write {meant}" if meant else f"write one of {', '.join(known)}"
