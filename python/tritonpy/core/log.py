"""The one logger of the process: Triton's line formats, shared with the C++ core."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tritonpy import _core
from tritonpy.core.status import core_errors


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The log settings of Triton's logging extension; `escape` JSON-escapes each text."""

    info: bool = True
    warning: bool = True
    error: bool = True
    verbose_level: int = 0
    format: str = "default"  # or "ISO8601"
    file: str = ""
    escape: bool = True


class Log:
    """The one logger of the process: Triton's line formats, shared with the C++ core."""

    def __init__(self) -> None:
        self._log = _core.Log()

    @property
    def handle(self) -> _core.Log:
        """The core's own log, for the core."""
        return self._log

    def configure(self, settings: LogSettings) -> None:
        """Apply all settings at once; InvalidArgError when the file cannot be opened."""
        with core_errors:
            self._log.configure(
                info=settings.info,
                warning=settings.warning,
                error=settings.error,
                verbose_level=settings.verbose_level,
                iso8601=settings.format == "ISO8601",
                file=settings.file,
                escape=settings.escape,
            )

    def settings(self) -> LogSettings:
        """Return the settings in force."""
        info, warning, error, verbose_level, iso8601, file, escape = self._log.settings()
        line_format = "ISO8601" if iso8601 else "default"
        return LogSettings(info, warning, error, verbose_level, line_format, file, escape)

    def info(self, text: str) -> None:
        """Log what an operator wants to know."""
        self._write(_core.LogLevel.INFO, text)

    def warning(self, text: str) -> None:
        """Log what an operator should look at."""
        self._write(_core.LogLevel.WARNING, text)

    def error(self, text: str) -> None:
        """Log what went wrong."""
        self._write(_core.LogLevel.ERROR, text)

    def verbose(self, text: str) -> None:
        """Log detail, shown from verbose level 1."""
        self._write(_core.LogLevel.VERBOSE, text)

    def forward(self, level: str, text: str, file: str, line: int) -> None:
        """Log for somebody else, whose place in a source is given; a level by Triton's name."""
        known = _core.LogLevel.__members__.get(level, _core.LogLevel.INFO)
        if self._log.enabled(known):
            self._log.write(known, file, line, text)

    def _write(self, level: _core.LogLevel, text: str) -> None:
        if self._log.enabled(level):
            caller = sys._getframe(2)  # the line that called info(), warning(), ...
            self._log.write(level, caller.f_code.co_filename, caller.f_lineno, text)
