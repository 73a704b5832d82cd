"""Rules for text of every kind."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tests.tidy.sources import Rule, Source

LINE_LIMIT = 100
UNMEASURED_SUFFIXES = frozenset((".md", ".txt", ".json"))
VAGUE_NAMES = frozenset(("utils", "util", "common", "helpers", "helper", "manager", "misc"))
# Each is written so that it does not match itself.
POSTPONED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(wor" r"k|roo" r"t|hom" r"e)/\w")
REGISTRY_HOST = re.compile(r"py" r"pi\.org|python" r"hosted\.org|registry\." r"npmjs")
FOREIGN_LICENCE = re.compile(
    r"copyright" r".*\bNVIDIA|Redistribution and" r" use in source and binary", re.IGNORECASE
)


def matches(source: Source, pattern: re.Pattern[str], meaning: str) -> list[str]:
    """Return one text for each line of `source` that `pattern` matches."""
    return [
        f"{source.path}:{number}: {meaning}: {line.strip()[:80]}"
        for number, line in enumerate(source.lines, 1)
        if pattern.search(line)
    ]


def short_lines(source: Source) -> list[str]:
    """Lines of code fit in 100 columns."""
    if source.suffix in UNMEASURED_SUFFIXES and not source.path.endswith("CMakeLists.txt"):
        return []
    return [
        f"{source.path}:{number}: {len(line)} columns"
        for number, line in enumerate(source.lines, 1)
        if len(line) > LINE_LIMIT
    ]


def telling_names(source: Source) -> list[str]:
    """No file or folder has a name that says nothing."""
    parts = PurePosixPath(source.path).with_suffix("").parts
    vague = [word for part in parts for word in part.lower().split("_") if word in VAGUE_NAMES]
    # The one name that is Triton's, not ours: what Python models import.
    if PurePosixPath(source.path).name == "triton_python_backend_utils.py":
        vague.remove("utils")
    return [f"{source.path}: the word {word!r} says nothing" for word in vague]


def nothing_postponed(source: Source) -> list[str]:
    """Work left to do is not kept in comments."""
    return matches(source, POSTPONED, "postponed work")


def no_machine_paths(source: Source) -> list[str]:
    """No path of one machine's disk."""
    return matches(source, MACHINE_PATH, "path of one machine")


def no_registry_hosts(source: Source) -> list[str]:
    """Packages come from wherever the user's own client is set to."""
    return matches(source, REGISTRY_HOST, "registry host")


def no_foreign_licence(source: Source) -> list[str]:
    """Nothing here was copied from Triton."""
    return matches(source, FOREIGN_LICENCE, "somebody else's licence header")


def ends_cleanly(source: Source) -> list[str]:
    """Text ends with one line end, and no line ends with white space."""
    found = [
        f"{source.path}:{number}: white space at the end"
        for number, line in enumerate(source.lines, 1)
        if line != line.rstrip()
    ]
    if source.text and (not source.text.endswith("\n") or source.text.endswith("\n\n")):
        found.append(f"{source.path}: must end with exactly one line end")
    return found


RULES = (
    Rule("short_lines", short_lines),
    Rule("telling_names", telling_names),
    Rule("nothing_postponed", nothing_postponed),
    Rule("no_machine_paths", no_machine_paths),
    Rule("no_registry_hosts", no_registry_hosts),
    Rule("no_foreign_licence", no_foreign_licence),
    Rule("ends_cleanly", ends_cleanly),
)
