"""What a Python model raises and returns when something failed, and how exceptions are told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import FrameType
from typing import Final

_OWN_FOLDER: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep


class TritonModelException(Exception):
    """What the functions of `triton_python_backend_utils` raise."""


class TritonError(Exception):
    """An error with a code, given to an InferenceResponse."""

    UNKNOWN: Final = 0
    INTERNAL: Final = 1
    NOT_FOUND: Final = 2
    INVALID_ARG: Final = 3
    UNAVAILABLE: Final = 4
    UNSUPPORTED: Final = 5
    ALREADY_EXISTS: Final = 6
    CANCELLED: Final = 7

    def __init__(self, message: str, code: int = 1) -> None:
        if not isinstance(message, str):
            raise TypeError(f"TritonError message must be a str, got {type(message)}")
        super().__init__(message)
        self._message = message
        self._code = int(code)

    def message(self) -> str:
        """Return the text for the client."""
        return self._message

    def code(self) -> int:
        """Return the code, one of the constants of this class."""
        return self._code


def describe(error: BaseException) -> str:
    """Return the exception with the places it came through, the innermost first.

    This is what a client is told when a model raised. Frames of the worker itself are left out.
    """
    text = f"{type(error).__name__}: {error}"
    places = "".join(
        f"  {frame.f_code.co_filename}({line}): {frame.f_code.co_name}\n"
        for frame, line in reversed(list(_frames(error)))
        if not frame.f_code.co_filename.startswith((_OWN_FOLDER, "<frozen importlib"))
    )
    return f"{text}\n\nAt:\n{places}" if places else text


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame, step.tb_lineno
        step = step.tb_next
