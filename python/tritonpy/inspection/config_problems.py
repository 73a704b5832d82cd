"""Turns what the rules say of a config into problems, with place and advice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tritonpy.config.platforms import ENSEMBLE
from tritonpy.inspection.advice import advice_on
from tritonpy.inspection.config_text import ConfigText
from tritonpy.inspection.problem import Problem, Severity
from tritonpy.inspection.scheduling_advice import MAKE_ENSEMBLE
from tritonpy.protos.model_config_pb2 import ModelConfig

# What a group without a name is called once defaults are filled in: model and index.
_UNNAMED_GROUP: Final = re.compile(r"instance_group\[[^\]]*_(\d+)\]")


class ConfigProblems:
    """Of one config. Immutable."""

    def __init__(self, file: Path, text: str, config: ModelConfig) -> None:
        self._file = file
        self._text = ConfigText(text)
        is_ensemble = config.platform == ENSEMBLE
        self._has_steps_alone = config.HasField("ensemble_scheduling") and not is_ensemble
        self._gives_platform_alone = bool(config.platform) and not config.backend
        self._inputs = {tensor.name for tensor in config.input}
        groups = enumerate(config.instance_group)
        self._unnamed_groups = {index for index, group in groups if not group.name}

    def of(self, text: str, severity: Severity = Severity.ERROR) -> Problem:
        """Return the problem that is one line of what the rules say."""
        advice = advice_on(text)
        if advice.field == "backend" and self._has_steps_alone:
            return self.at("ensemble_scheduling", text, MAKE_ENSEMBLE, severity)
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
        if path == "backend" and self._gives_platform_alone:
            return "platform"
        group = _UNNAMED_GROUP.match(path)
        if group is not None and int(group[1]) in self._unnamed_groups:
            return f"instance_group[{group[1]}]{path[group.end() :]}"
        return path
