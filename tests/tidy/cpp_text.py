"""Reading C++ well enough for house rules: code without comments, and where functions lie."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNREAD = re.compile(
    r"""
      R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)"   # raw string
    | "(?:\\.|[^"\\\n])*"                              # string
    | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'              # character, not a digit separator
    | //[^\n]*                                         # comments
    | /\*.*?\*/
    """,
    re.VERBOSE | re.DOTALL,
)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
_TYPE_OR_NAMESPACE = re.compile(r"\b(namespace|class|struct|union|enum)\b|\bextern\s*$")
_TEMPLATE = re.compile(r"\btemplate\s*<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*>")
_INITIALISERS = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)")


@dataclass(frozen=True, slots=True)
class Function:
    """A function with a body: the line of its opening brace and its length in lines."""

    line: int
    length: int


def blank(match: re.Match[str]) -> str:
    """Return what takes the match's place: as many line ends, so that line numbers stay."""
    return "\n" * match[0].count("\n")


def code_of(text: str) -> str:
    """Return `text` without comments, with empty strings and characters."""

    def replace(match: re.Match[str]) -> str:
        quote = "" if match[0].startswith("/") else '""'
        return quote + blank(match)

    return _UNREAD.sub(replace, text)


def opens_function(head: str) -> bool:
    """Whether a brace after `head`, the text of its declaration so far, opens a function's body."""
    head = _TEMPLATE.sub("", head)
    if "(" not in head or _TYPE_OR_NAMESPACE.search(head.partition("(")[0]):
        return False
    in_arguments = head.count("(") > head.count(")")
    if in_arguments or head.rstrip().endswith("="):
        return False
    # In `Type() : member_{1} {` the first brace follows a name, the body's follows a brace.
    is_member = _INITIALISERS.search(head) and re.search(r"[\w>]\s*$", head)
    return not is_member


def functions_of(text: str) -> list[Function]:
    """Return the functions of a C++ file; one inside another counts as part of the outer one."""
    code = _PREPROCESSOR.sub(blank, code_of(text))
    found: list[Function] = []
    head, line = "", 1
    scopes: list[str] = []  # of each open brace: "outer" (namespace, type), "value" or "function"
    heads: list[str] = []
    start = 0
    for character in code:
        line += character == "\n"
        if character == "{":
            inside = bool(scopes) and scopes[-1] in ("function", "value")
            if inside:
                scopes.append("value")
            elif opens_function(head):
                scopes.append("function")
                start = line
            else:
                is_outer = _TYPE_OR_NAMESPACE.search(_TEMPLATE.sub("", head).partition("(")[0])
                scopes.append("outer" if is_outer else "value")
            heads.append(head)
            head = ""
        elif character == "}" and scopes:
            scope, before = scopes.pop(), heads.pop()
            if scope == "function":
                found.append(Function(start, line - start + 1))
            head = before + "{}" if scope == "value" else ""
        elif character == ";":
            head = ""
        else:
            head += character
    return found
