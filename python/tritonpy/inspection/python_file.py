"""What is plainly wrong with a `model.py`; nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tritonpy.backends.python import MODEL_CLASS, is_plain
from tritonpy.inspection.problem import Problem

_EXECUTE: Final = "execute"


def python_file_problems(file: Path) -> Iterator[Problem]:
    """Yield a syntax error, a missing class, or a class without its method."""
    try:
        source = file.read_bytes()
        module = ast.parse(source)
    except SyntaxError as error:
        yield Problem(
            file,
            error.msg,
            "mend the line; `python -m py_compile` says the same of the file",
            line=error.lineno or 0,
            column=error.offset or 0,
        )
        return
    except (OSError, ValueError) as error:
        yield Problem(file, f"cannot be read: {error}", "write a Python file in UTF-8")
        return
    if MODEL_CLASS.encode() not in source and not _may_have_simple_model(module):
        yield Problem(
            file,
            f"has no class {MODEL_CLASS}",
            f"write class {MODEL_CLASS} with execute(self, requests), or put @tritonpy.model "
            "before a function",
        )
    for node in module.body:
        if _is_model(node) and not _names(node, _EXECUTE):
            yield Problem(
                file,
                f"class {MODEL_CLASS} has no method '{_EXECUTE}'",
                "write def execute(self, requests), which returns one response for each",
                line=node.lineno,
            )


def _is_model(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == MODEL_CLASS and is_plain(node)


def _may_have_simple_model(module: ast.Module) -> bool:
    """Whether anything is decorated, or comes from elsewhere under any name."""
    return any(
        (isinstance(node, ast.FunctionDef | ast.ClassDef) and node.decorator_list)
        or (isinstance(node, ast.ImportFrom) and node.names[0].name == "*")
        for node in ast.walk(module)
    )


def _names(node: ast.AST, name: str) -> bool:
    return any(
        (isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name == name)
        or (isinstance(inner, ast.Name) and inner.id == name)
        for inner in ast.walk(node)
    )
