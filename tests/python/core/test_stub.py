"""The stub `_core.pyi` says what the extension has: same classes, members and parameter names.

Method: the stub is read as syntax; the extension through its attributes and through the signature
lines that pybind11 writes into docstrings.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tritonpy
from tritonpy import _core

_STUB = Path(tritonpy.__file__).with_name("_core.pyi")

# What a class has for __init__ when Python cannot construct it.
_INHERITED = type(object.__init__)

# Class or "" for the module, then member, then parameter names (None: not a function).
Interface = dict[str, dict[str, tuple[str, ...] | None]]


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"


def _stub_interface() -> Interface:
    interface: Interface = {"": {}}
    for node in ast.parse(_STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            interface[""][node.name] = tuple(one.arg for one in node.args.args)
        elif isinstance(node, ast.ClassDef):
            members = interface.setdefault(node.name, {})
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and _is_public(member.name):
                    is_property = bool(member.decorator_list)
                    names = tuple(one.arg for one in member.args.args if one.arg != "self")
                    members[member.name] = None if is_property else names
    return interface


def _parameters(function: object) -> tuple[str, ...]:
    signature = re.match(r"\w+\((.*)\) -> ", (function.__doc__ or "").strip())
    assert signature is not None, function
    # Parameter names stand before a colon at depth 0; annotations may hold commas in brackets.
    flat = re.sub(r"\[[^\[\]]*\]", "", re.sub(r"\[[^\[\]]*\]", "", signature[1]))
    names = [part.split(":")[0].strip() for part in flat.split(",") if part.strip()]
    return tuple(name for name in names if name != "self")


def _runtime_interface() -> Interface:
    interface: Interface = {"": {}}
    for name, value in vars(_core).items():
        if name.startswith("_"):
            continue
        if not isinstance(value, type):
            interface[""][name] = _parameters(value)
        elif value is _core.StatusError or value is _core.LogLevel:
            interface[name] = {}  # an exception and an enumeration: no members of their own
        else:
            interface[name] = {
                member: None if isinstance(held, property) else _parameters(held)
                for member, held in vars(value).items()
                if _is_public(member) and not isinstance(held, _INHERITED)
            }
    return interface


def test_stub_and_extension_have_the_same_interface() -> None:
    assert _runtime_interface() == _stub_interface()


def test_reading_finds_parameters_on_both_sides() -> None:
    expected = ("model", "version", "body", "json_length", "max_input_size", "headers")
    assert _stub_interface()["CompletionQueue"]["submit_json"] == expected
    assert _runtime_interface()["CompletionQueue"]["submit_json"] == expected
