"""What Python models may do with the other models of the server: load, unload, ask.

Texts begin as Triton's do. Loading needs the explicit mode, and a server that has started: a load
that waits for another one at start would wait for a thread that it holds itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final, Protocol

from tritonpy.errors import InternalError, InvalidArgError, TritonError, UnavailableError, error_of

_LOAD: Final = "Failed to load model: "
_UNLOAD: Final = "Failed to unload model: "
_READY: Final = "Failed to check model readiness: "


class Repository(Protocol):
    """What this asks of the repository, which has a higher place than this."""

    @property
    def has_started(self) -> bool:
        """Whether the models of the start have been loaded."""

    def submit_load(self, name: str, parameters: Mapping[str, Any]) -> Future[None]:
        """Begin to load a model."""

    def submit_unload(self, name: str, parameters: Mapping[str, Any]) -> Future[None]:
        """Begin to unload a model."""


class Readiness(Protocol):
    """What this asks of the core."""

    def requested_version(self, name: str, text: str) -> int:
        """Return the version that a model's number or label means ("": -1, the newest)."""

    def check_ready(self, name: str, version: int) -> None:
        """Raise what keeps a version from serving."""


class ModelControl:
    """The models of one server. Thread-safe; nothing here blocks."""

    def __init__(self) -> None:
        self._parts: tuple[Repository, Readiness] | None = None

    def attach(self, repository: Repository, readiness: Readiness) -> None:
        """Say what there is to control: made later than what needs this."""
        self._parts = (repository, readiness)

    def load(self, name: str, config: str, files: Mapping[str, str]) -> Future[None]:
        """Begin to load a model; `files` are in base64. Every error comes from the future."""

        def submit(repository: Repository) -> Future[None]:
            parameters: dict[str, str | bytes] = {"config": config} if config else {}
            for path, content in files.items():
                parameters[path] = _decoded(path, content)
            return repository.submit_load(name, parameters)

        return self._submitted(_LOAD, submit)

    def unload(self, name: str, dependents: bool) -> Future[None]:
        """Begin to unload a model. Every error comes from the future."""
        parameters = {"unload_dependents": dependents}
        return self._submitted(
            _UNLOAD, lambda repository: repository.submit_unload(name, parameters)
        )

    def is_ready(self, name: str, version: str) -> bool:
        """Return whether a version serves. Raises InvalidArgError for what is no version."""
        if self._parts is None:
            return False
        _, readiness = self._parts
        try:
            number = readiness.requested_version(name, version)
        except TritonError as error:
            raise error_of(error.code, f"{_READY}{error.message}") from error
        try:
            readiness.check_ready(name, number)
        except TritonError:
            return False
        return True

    def _submitted(self, prefix: str, submit: Callable[[Repository], Future[None]]) -> Future[None]:
        prefixed: Future[None] = Future()

        def settle(done: Future[None]) -> None:
            error = InternalError("Server exiting") if done.cancelled() else done.exception()
            if error is None:
                prefixed.set_result(None)
            else:
                prefixed.set_exception(InternalError(f"{prefix}{error}"))

        try:
            if self._parts is None or not self._parts[0].has_started:
                raise UnavailableError("the server is still loading the models of its start")
            job = submit(self._parts[0])
        except TritonError as error:
            prefixed.set_exception(error_of(error.code, f"{prefix}{error.message}"))
        else:
            job.add_done_callback(settle)
        return prefixed


def _decoded(path: str, content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgError(f"the content of '{path}' is no base64") from error
