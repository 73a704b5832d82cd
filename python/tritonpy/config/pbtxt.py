"""`config.pbtxt`: the protobuf text form of a ModelConfig."""

from __future__ import annotations

import difflib
import re
from typing import Final

from google.protobuf import text_format

from tritonpy.config.fields import unknown_enum_values
from tritonpy.errors import InvalidArgError
from tritonpy.protos import POOL
from tritonpy.protos.model_config_pb2 import ModelConfig

# The parser quotes the line it stopped in, which may be the whole of a generated file.
_REASON_LENGTH_MAX: Final = 300
_POSITION: Final = re.compile(r"^\d+:\d+ : ")
_UNKNOWN_FIELD: Final = re.compile(r'^Message type "([\w.]+)" has no field named "([^"]*)"')


def parse_config(text: str, source: str) -> ModelConfig:
    """Read a config as `config.pbtxt` spells it; `source` names the file in errors.

    Raises InvalidArgError `<source>:<line>:<column>: <reason>`: for bad syntax, an unknown field, a
    value that does not fit its field, a field given twice, or two members of one oneof.
    """
    config = ModelConfig()
    try:
        text_format.Parse(text, config, descriptor_pool=POOL)
    except text_format.ParseError as error:
        line, column = error.GetLine() or 1, error.GetColumn() or 1
        raise InvalidArgError(f"{source}:{line}:{column}: {_reason(error)}") from error
    problems = list(unknown_enum_values(config))
    if problems:
        raise InvalidArgError("\n".join(f"{source}: {problem}" for problem in problems))
    return config


def print_config(config: ModelConfig) -> str:
    """Return the text that `parse_config` reads back as an equal config."""
    return text_format.MessageToString(config, descriptor_pool=POOL)


def _reason(error: text_format.ParseError) -> str:
    reason = _POSITION.sub("", str(error))
    unknown = _UNKNOWN_FIELD.match(reason)
    if unknown is not None:
        fields = POOL.FindMessageTypeByName(unknown[1]).fields_by_name
        close = difflib.get_close_matches(unknown[2], fields, n=1)
        reason += f" Did you mean '{close[0]}'?" if close else ""
    if len(reason) > _REASON_LENGTH_MAX:
        reason = f"{reason[: _REASON_LENGTH_MAX // 2]} ... {reason[-_REASON_LENGTH_MAX // 2 :]}"
    return reason
