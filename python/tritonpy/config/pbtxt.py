"""`config.pbtxt`: the protobuf text form of a ModelConfig."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Final

from google.protobuf import text_format

from tritonpy.config.fields import unknown_enum_values
from tritonpy.config.pbtxt_tokens import next_token
from tritonpy.errors import InvalidArgError
from tritonpy.protos import POOL
from tritonpy.protos.model_config_pb2 import ModelConfig

# The parser quotes the line it stopped in, which may be the whole of a generated file.
_REASON_LENGTH_MAX: Final = 300
_POSITION: Final = re.compile(r"^\d+:\d+ : ")
_PROBLEMS_MAX: Final = 20
_VISIBLE: Final = re.compile(r"\S")
_BAD_VALUE: Final = re.compile(
    r"Couldn't parse (?:integer|float)|Value out of range|Enum type .* has no value named|"
    r'Expected "true" or "false"'
)
_UNKNOWN_FIELD: Final = re.compile(r'^Message type "([\w.]+)" has no field named "([^"]*)"')


def parse_config(text: str, source: str) -> ModelConfig:
    """Read a config as `config.pbtxt` spells it; `source` names the file in errors.

    Raises InvalidArgError, `<source>:<line>:<column>: <reason>` a line. It tells every unknown
    field and every number, flag or enum that is none, 20 problems at most, up to the first mistake
    of another kind: bad syntax, a field given twice, or two members of one oneof. Of those only the
    first is told, since the parser stops there. Numbers that an enum does not have are told, all of
    them and with their paths, where nothing stopped the parser for good.
    """
    problems: list[str] = []
    lines = text.split("\n")
    while len(problems) < _PROBLEMS_MAX:
        config = ModelConfig()
        try:
            text_format.Parse(text, config, descriptor_pool=POOL)
        except text_format.ParseError as error:
            line, column = error.GetLine() or 1, error.GetColumn() or 1
            problems.append(f"{source}:{line}:{column}: {_reason(error, lines)}")
            mended = _mended(text, error)
            if mended is None:
                break
            text = mended  # so that the parser gets further
        else:
            problems.extend(f"{source}: {problem}" for problem in unknown_enum_values(config))
            if not problems:
                return config
            break
    raise InvalidArgError("\n".join(problems))


def print_config(config: ModelConfig) -> str:
    """Return the text that `parse_config` reads back as an equal config."""
    return text_format.MessageToString(
        config, as_utf8=True, use_short_repeated_primitives=True, descriptor_pool=POOL
    )


def _mended(text: str, error: text_format.ParseError) -> str | None:
    """Return `text` without the mistake, all else in its place; None where that is not possible."""
    line, column = error.GetLine(), error.GetColumn()
    reason = _POSITION.sub("", str(error))
    if not line or not column:
        return None
    start = sum(len(above) + 1 for above in text.split("\n")[: line - 1]) + column - 1
    token = next_token(text, start)
    if token is None:
        return None
    if _UNKNOWN_FIELD.match(reason):
        stop = _end_of_value(text, token.end())
        if stop is None:
            return None
        return text[:start] + _VISIBLE.sub(" ", text[start:stop]) + text[stop:]
    if _BAD_VALUE.search(reason) and token.lastgroup in ("word", "string"):
        # Numbers, flags and enums all have a 0.
        return text[:start] + "0".ljust(token.end() - start) + text[token.end() :]
    return None


def _end_of_value(text: str, position: int) -> int | None:
    """Return where what follows a field's name ends, separator included; None for no such thing."""
    token = next_token(text, position)
    if token is not None and token[0] == ":":
        token = next_token(text, token.end())
    if token is None or token.lastgroup not in ("open", "string", "word"):
        return None
    depth = 0
    while True:
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        following = next_token(text, token.end())
        joined = token.lastgroup == "string" and following and following.lastgroup == "string"
        if depth == 0 and not joined and token[0] != "-":
            ends_it = following is not None and following[0] in (",", ";")
            return following.end() if following is not None and ends_it else token.end()
        if following is None:
            return None
        token = following


def _reason(error: text_format.ParseError, lines: Sequence[str]) -> str:
    reason = _POSITION.sub("", str(error))
    line = error.GetLine()
    quote, _, cause = reason.rpartition("': ")
    if line and quote[:1] == "'":  # the line, as it was before it was mended
        reason = f"'{lines[line - 1]}': {cause}"
    unknown = _UNKNOWN_FIELD.match(reason)
    if unknown is not None:
        fields = POOL.FindMessageTypeByName(unknown[1]).fields_by_name
        close = difflib.get_close_matches(unknown[2], fields, n=1)
        reason += f" Did you mean '{close[0]}'?" if close else ""
    if len(reason) > _REASON_LENGTH_MAX:
        reason = f"{reason[: _REASON_LENGTH_MAX // 2]} ... {reason[-_REASON_LENGTH_MAX // 2 :]}"
    return reason
