"""A Python model whose instance a test keeps busy for as long as it likes.

A request of -1 keeps its instance until the test lets go; any request is answered with how many the
instance has run before it. The gate is a FIFO: opening its write end returns when the model has
begun to read, and closing it ends that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.conformance.conftest import connect
from tests.conformance.metrics_page import wait_until_waiting
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer

HOLD = -1
_MODEL = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.ran = 0

        def execute(self, requests):
            responses = []
            for request in requests:
                if request.inputs()[0].as_numpy()[0, 0] == -1:
                    open("{gate}").read()
                place = np.array([[self.ran]], np.int32)
                self.ran += 1
                responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("PLACE", place)]))
            return responses
"""
_CONFIG = """
    backend: "python"
    max_batch_size: 1
    input [ {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ 1 ] }} ]
    output [ {{ name: "PLACE" data_type: TYPE_INT32 dims: [ 1 ] }} ]
    {extra}
"""


def _gate_of(repository: Path, name: str) -> Path:
    return repository.parent / f"{repository.name}.{name}.gate"


def write_gated_model(repository: Path, name: str, extra: str = "") -> None:
    """Write a model whose config ends with `extra`."""
    gate = _gate_of(repository, name)
    os.mkfifo(gate)
    config = _CONFIG.format(extra=extra)
    write_python_model(repository, name, _MODEL.format(gate=gate), config)


class GatedModel:
    """One such model on a server, its instance busy with a first request."""

    def __init__(self, server: RunningServer, protocol: str, name: str) -> None:
        self.name = name
        self._server = server
        self._protocol = protocol
        self._pool = ThreadPoolExecutor(16)
        self._waiting = 0
        self._gate = -1

    def send(self, number: int = 0, **options: Any) -> Future[int]:
        """Send a request; what it returns has its place in the order of execution."""
        return self._pool.submit(self._infer, number, options)

    def _infer(self, number: int, options: dict[str, Any]) -> int:
        with connect(self._protocol, self._server) as client:
            data = np.full((1, 1), number, np.int32)
            result = client.infer(self.name, {"INPUT0": data}, **options)
        return int(result.as_numpy("PLACE")[0, 0])

    def queue(self, **options: Any) -> Future[int]:
        """Send a request and return when it waits behind those before it."""
        sent = self.send(**options)
        self._waiting += 1
        self.wait_until_waiting(self._waiting)
        return sent

    def wait_until_waiting(self, count: int) -> None:
        """Return when exactly so many requests wait; queue() goes on from there."""
        wait_until_waiting(self._server, count, self.name)
        self._waiting = count

    def hold(self, path: Path) -> Future[int]:
        """Return when the instance runs the request that keeps it."""
        first = self.send(HOLD)
        self._gate = os.open(path, os.O_WRONLY)
        return first

    def let_go(self) -> None:
        """Let the instance go on. Idempotent."""
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1

    def close(self) -> None:
        """Let go and wait for what was sent."""
        self.let_go()
        self._pool.shutdown()


@contextmanager
def held(
    server: RunningServer, repository: Path, protocol: str, name: str
) -> Iterator[tuple[GatedModel, Future[int]]]:
    """Yield a model whose instance is busy, and the request that it is busy with."""
    model = GatedModel(server, protocol, name)
    try:
        yield model, model.hold(_gate_of(repository, name))
    finally:
        model.close()


def places_after(first: Future[int], rest: Sequence[Future[int]]) -> list[int]:
    """Return how many ran between the first request and each of the rest."""
    return [each.result() - first.result() - 1 for each in rest]
