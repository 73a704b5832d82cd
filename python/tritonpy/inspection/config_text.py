"""Where the fields of a `config.pbtxt` stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tritonpy.config.pbtxt_tokens import next_token

# What messages of a list or map are called by, in the order in which it is looked for.
_NAMES: Final = ("name", "key", "input_name", "model_name")
_STEP: Final = re.compile(r"(\w+)(?:\[([^\]]*)\])?\.?")


@dataclass(frozen=True, slots=True)
class _Field:
    """One field, or one element of a list of messages."""

    name: str
    line: int
    value: str  # "" for a message
    fields: tuple[_Field, ...] = ()


class ConfigText:
    """The text of one config. Immutable.

    A text that protobuf refuses is understood as far as that goes.
    """

    def __init__(self, text: str) -> None:
        self._fields = tuple(_Reader(text).fields())

    def line_of(self, path: str) -> int:
        """Return the line of a field, or of the innermost around it that is there; 0 for none.

        A path is `dynamic_batching.preferred_batch_size`, `instance_group[0].gpus`,
        `input[INPUT0].dims` or `parameters[key]`: what is in brackets counts messages from 0, or is
        what one is called.
        """
        line, fields = 0, self._fields
        for name, which in _STEP.findall(path):
            found = _find(fields, name, which)
            if found is None:
                return line
            line, fields = found.line, found.fields
        return line


def _find(fields: Sequence[_Field], name: str, which: str) -> _Field | None:
    of_name = [field for field in fields if field.name == name]
    if not which:
        return of_name[0] if of_name else None
    called = next((field for field in of_name if which == _called(field)), None)
    if called is None and which.isdecimal() and int(which) < len(of_name):
        return of_name[int(which)]
    return called


def _called(message: _Field) -> str:
    values = {field.name: field.value for field in message.fields}
    return next((values[name] for name in _NAMES if name in values), "")


class _Reader:
    """Reads fields one after the other, wherever commas and colons stand. Confined."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def fields(self) -> Iterator[_Field]:
        """Yield fields up to a closing bracket, which is taken, or the end."""
        while (token := self._take()) is not None and token.lastgroup != "close":
            if token.lastgroup == "word":
                yield from self._values(token[0], self._line_of(token))

    def _values(self, name: str, line: int) -> Iterator[_Field]:
        token = self._take()
        if token is not None and token[0] == ":":
            token = self._take()
        if token is None:
            return
        if token[0] == "[":
            yield from self._elements(name, line)
        elif token.lastgroup == "open":
            yield _Field(name, line, "", tuple(self.fields()))
        else:
            yield _Field(name, line, token[0].strip("\"'"))

    def _elements(self, name: str, line: int) -> Iterator[_Field]:
        """Yield the messages of a list; one field for a list of anything else."""
        is_empty = True
        while (token := self._take()) is not None and token.lastgroup != "close":
            if token.lastgroup == "open":
                is_empty = False
                yield _Field(name, self._line_of(token), "", tuple(self.fields()))
        if is_empty:
            yield _Field(name, line, "")

    def _take(self) -> re.Match[str] | None:
        token = next_token(self._text, self._position)
        if token is not None:
            self._position = token.end()
        return token

    def _line_of(self, token: re.Match[str]) -> int:
        return self._text.count("\n", 0, token.start()) + 1
