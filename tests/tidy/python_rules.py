"""Rules for Python: who may import whom, and how long things may get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.sources import Rule, Source

# A part of the package may import parts of smaller numbers, and itself.
LEVELS = {
    "errors": 0,
    "options": 1,
    "protos": 1,
    "config": 2,
    "core": 3,
    "worker": 1,
    "worker_host": 3,
    "backends": 4,
    "rollouts": 4,
    "repository": 5,
    "api": 6,
    "inspection": 6,
    "frontends": 7,
    "metrics": 7,
    "services": 8,
    "server": 9,
    "cli": 10,
    "__main__": 11,
    "__init__": 11,
}
# Which parts may know a transport; everything else is transport-free.
TRANSPORTS = frozenset(("grpc", "grpc_health", "grpc_reflection", "starlette", "uvicorn"))
TRANSPORT_PARTS = frozenset(("frontends", "metrics", "server"))
MODULE_LINES, FUNCTION_LINES = 400, 50
SKIPS = frozenset(("skip", "skipif", "xfail", "importorskip"))


def is_python(source: Source) -> bool:
    """Whether the file is Python that people write."""
    return source.suffix == ".py"


def package_part(source: Source) -> str | None:
    """Return the part of the package that a file is, or lies in; None for other files."""
    parts = PurePosixPath(source.path).with_suffix("").parts
    return parts[2] if is_python(source) and parts[:2] == ("python", "tritonpy") else None


def imported_names(source: Source) -> Iterator[str]:
    """Yield the full name of everything that a file imports, at any depth."""
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_direction(source: Source) -> list[str]:
    """Imports inside the package follow the arrows of the design."""
    part = package_part(source)
    if part is None:
        return []
    if part not in LEVELS:
        return [f"{source.path}: {part} has no place in the table of levels"]
    found = []
    for name in imported_names(source):
        first, _, rest = name.partition(".")
        used = rest.partition(".")[0]
        known = first == "tritonpy" and used in LEVELS and used != part
        if known and LEVELS[used] >= LEVELS[part]:
            found.append(f"{source.path}: {part} may not import {name}")
    return found


def one_door_to_the_core(source: Source) -> list[str]:
    """Only core.py imports the extension."""
    part = package_part(source)
    if part in (None, "core"):
        return []
    return [
        f"{source.path}: imports {name}; go through tritonpy.core"
        for name in imported_names(source)
        if "_core" in name.split(".")
    ]


def transport_free(source: Source) -> list[str]:
    """Only front ends, the metrics endpoint and the composition know a transport."""
    part = package_part(source)
    if part is None or part in TRANSPORT_PARTS:
        return []
    return [
        f"{source.path}: {part} may not import {name}"
        for name in imported_names(source)
        if name.partition(".")[0] in TRANSPORTS
    ]


def called_name(node: ast.AST) -> str:
    """Return what a node names, as written: `time.sleep`; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{called_name(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def sleeps_nothing(node: ast.Call) -> bool:
    """Whether a call of sleep only lets others run: `asyncio.sleep(0)`."""
    return bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0


def no_sleeps(source: Source) -> list[str]:
    """Neither the package nor a test waits for time to pass."""
    if not is_python(source) or not (package_part(source) or source.is_under("tests")):
        return []
    tree = ast.parse(source.text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [
        f"{source.path}:{node.lineno}: sleeps"
        for node in calls
        if called_name(node.func) in ("time.sleep", "asyncio.sleep", "gevent.sleep", "sleep")
        and not sleeps_nothing(node)
    ]
    if "time.sleep" in imported_names(source):
        found.append(f"{source.path}: imports time.sleep")
    return found


def no_skipped_tests(source: Source) -> list[str]:
    """No Python test is switched off."""
    if not (is_python(source) and source.is_under("tests")):
        return []
    return [
        f"{source.path}:{node.lineno}: {called_name(node)}"
        for node in ast.walk(ast.parse(source.text))
        if isinstance(node, ast.Attribute)
        and node.attr in SKIPS
        and called_name(node).startswith("pytest.")
    ]


def modest_sizes(source: Source) -> list[str]:
    """Modules and functions stay readable."""
    if not is_python(source):
        return []
    found = []
    if len(source.lines) > MODULE_LINES:
        found.append(f"{source.path}: {len(source.lines)} lines, at most {MODULE_LINES}")
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                found.append(
                    f"{source.path}:{node.lineno}: {node.name} has {length} lines, "
                    f"at most {FUNCTION_LINES}"
                )
    return found


def opens_with_meaning(source: Source) -> list[str]:
    """Every module that is not empty says what it is; a test module gives goal and method."""
    if not is_python(source) or not source.text.strip():
        return []
    if ast.get_docstring(ast.parse(source.text)):
        return []
    return [f"{source.path}: has no docstring"]


RULES = (
    Rule("import_direction", import_direction),
    Rule("one_door_to_the_core", one_door_to_the_core),
    Rule("transport_free", transport_free),
    Rule("no_sleeps", no_sleeps),
    Rule("no_skipped_tests", no_skipped_tests),
    Rule("modest_python_sizes", modest_sizes),
    Rule("opens_with_meaning", opens_with_meaning),
)
