"""Turns what the rules say of a config into problems, with place and advice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tritonpy.inspection.advice import advice_on
from tritonpy.inspection.config_text import ConfigText
from tritonpy.inspection.problem import Problem, Severity
from tritonpy.protos.model_config_pb2 import ModelConfig

# What a group without a name is called once defaults are filled in: model and index.
_UNNAMED_GROUP: Final = re.compile(r"instance_group\[[^\]]*_(\d+)\]")


class ConfigProblems:
    """Of one config. Immutable."""

    def __init__(self, file: Path, text: str, config: ModelConfig) -> None:
        self._file = file
        self._text = ConfigText(text)
        self._inputs = {tensor.name for tensor in config.input}
        groups = enumerate(config.instance_group)
        self._unnamed_groups = {index for index, group in groups if not group.name}

    def of(self, text: str, severity: Severity = Severity.ERROR) -> Problem:
        """Return the problem that is one line of what the rules say."""
        advice = advice_on(text)
        return self.at(advice.field, text, advice.fix, severity)

    def at(self, path: str, text: str, fix: str, severity: Severity = Severity.ERROR) -> Problem:
        """Return a problem of one field, whose path may begin with `*` for input or output."""
        path = self._in_this_config(path)
        line = self._text.line_of(path)
        return Problem(self._file, text, fix, line, field=path, severity=severity)

    def _in_this_config(self, path: str) -> str:
        """Return a path in terms of what the config itself calls things."""
        if path.startswith("*["):
            tensor = path[2:].partition("]")[0]
            return ("input" if tensor in self._inputs else "output") + path[1:]
        group = _UNNAMED_GROUP.match(path)
        if group is not None and int(group[1]) in self._unnamed_groups:
            return f"instance_group[{group[1]}]{path[group.end() :]}"
        return path
