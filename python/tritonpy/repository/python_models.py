"""What the repository asks of who runs Python models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tritonpy.errors import UnavailableError
from tritonpy.worker_host import WorkerSpec


class PythonModels(Protocol):
    """`tritonpy.worker_host.WorkerHost` does it. Thread-safe."""

    def complete(self, spec: WorkerSpec) -> Mapping[str, Any] | None:
        """Let a model complete its config; None where it has nothing to say. Blocks."""

    def memory_bytes(self, identifier: str) -> int:
        """Return what the processes of a model take now."""


class NoPythonModels:
    """Where nobody runs them."""

    def complete(self, spec: WorkerSpec) -> Mapping[str, Any] | None:
        """Raise UnavailableError."""
        raise UnavailableError(f"nobody runs Python model '{spec.model_name}' here")

    def memory_bytes(self, _: str) -> int:
        """Return 0."""
        return 0
