"""The one worker that this process is, for the functions of the API that take no handle to it.

`pb_utils.Logger.log(...)`, `request.exec()` and the like are called from users' code, which is
given no object to call them on. Whoever starts a worker puts it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonpy.worker.errors import TritonModelException

if TYPE_CHECKING:
    from tritonpy.worker.worker import Worker

_current: Worker | None = None
_model_directory = ""


def current() -> Worker:
    """Return the worker; TritonModelException in a process that serves no model."""
    if _current is None:
        raise TritonModelException(
            "This works only in a Python model that is served, not in 'auto_complete_config'."
        )
    return _current


def current_or_none() -> Worker | None:
    """Return the worker, None in a process that is none."""
    return _current


def model_directory() -> str:
    """Return the directory of this process's model, empty in a process that has none."""
    return _model_directory


def serve_model_in(directory: str) -> None:
    """Say which model this process is for, before any of the model's code runs."""
    global _model_directory
    _model_directory = directory


def start(worker: Worker | None) -> None:
    """Make `worker` the one that this process is."""
    global _current
    _current = worker


def abandon(key: int) -> None:
    """Fail a request that nobody can answer any more. Safe in `__del__`."""
    if _current is not None:
        _current.abandon(key)
