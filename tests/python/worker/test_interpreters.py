"""Goal: the worker runs in any CPython 3.9+ that has numpy and nothing else.

Method: its sources are parsed by 3.9's grammar, and import nothing but the standard library, numpy
and themselves; so do the parts of the package that they bring along.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tritonpy

PACKAGE = Path(tritonpy.__file__).parent
SOURCES = [PACKAGE / "__init__.py", *sorted((PACKAGE / "worker").glob("*.py"))]
# What CPython has only since 3.10 and a slip would use: name, and the module that has it.
TOO_NEW = {"dataclass_transform", "TypeAlias", "ParamSpec", "Self", "aiter", "anext", "pairwise"}


def evaluated(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that run; annotations do not."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns"):
                parts = value if isinstance(value, list) else [value]
                waiting += [part for part in parts if isinstance(part, ast.AST)]


def is_type_union(node: ast.AST) -> bool:
    """Whether a node is `X | None` or `int | str`."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)):
        return False
    return any(
        (isinstance(part, ast.Constant) and part.value is None)
        or (isinstance(part, ast.Name) and part.id in ("bool", "bytes", "float", "int", "str"))
        for part in (node.left, node.right)
    )


def test_unions_of_types_are_recognised() -> None:
    tree = ast.parse("a: int | None\nB = int | str\nC = list[A | None]\nd = 1 | 2")
    assert [is_type_union(node) for node in evaluated(tree)].count(True) == 2


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_source_is_that_of_python_3_9(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    for node in evaluated(tree):
        assert not is_type_union(node)
        if isinstance(node, ast.Name | ast.alias):
            assert (node.id if isinstance(node, ast.Name) else node.name) not in TOO_NEW
        if isinstance(node, ast.keyword):
            assert node.arg not in ("strict", "slots", "kw_only")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_source_needs_numpy_at_most(path: Path) -> None:
    roots = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            roots.add(node.module.partition(".")[0])
            if node.module.startswith("tritonpy."):
                assert node.module.startswith("tritonpy.worker")
    assert roots <= {"tritonpy", "numpy", *sys.stdlib_module_names}
