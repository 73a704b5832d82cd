"""Inference from one asyncio loop: submit to the core, resolve a future per response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tritonpy import _core
from tritonpy.core.arrays import array_of, core_input
from tritonpy.core.status import core_errors

_Answer = TypeVar("_Answer")


class JsonAnswer(NamedTuple):
    """An HTTP inference answer; `json_length` is set when binary tensors follow the JSON."""

    body: bytes
    json_length: int | None


def parse_json_length(header: str) -> int:
    """Parse Inference-Header-Content-Length; InvalidArgError for what is no 32-bit integer."""
    with core_errors:
        return _core.parse_json_length(header)


@dataclass(frozen=True, slots=True)
class InferRequest:
    """An in-process request: inputs by name, with their batch dimension where the model has one.

    BYTES inputs are object arrays of bytes or str. No `outputs` means all of them.
    """

    model: str
    inputs: Mapping[str, npt.NDArray[np.generic]]
    version: int = -1
    id: str = ""
    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InferResult:
    """An in-process answer. Arrays borrow the core's memory and are read-only."""

    model_version: int
    outputs: Mapping[str, npt.NDArray[np.generic]]


class Inference:
    """Inference for one asyncio loop: submits to the core, resolves a future per response.

    Confined to its loop. Cancelling the awaiting task cancels the request in the core.
    """

    def __init__(self, queue: _core.CompletionQueue, loop: asyncio.AbstractEventLoop) -> None:
        self._queue = queue
        self._loop = loop
        self._waiting: dict[int, asyncio.Future[_core.Response]] = {}
        loop.add_reader(queue.fileno(), self._resolve_delivered)

    async def infer_json(
        self, model: str, version: int, body: bytes, json_length: int | None, max_input_size: int
    ) -> JsonAnswer:
        """Run one V2 HTTP inference body; `json_length` is Inference-Header-Content-Length."""
        with core_errors:
            pending = self._queue.submit_json(model, version, body, json_length, max_input_size)
        encoded = await self._answer(pending, _core.Response.encode_json)
        return JsonAnswer(*encoded)

    async def infer_protobuf(self, message: bytes) -> bytes:
        """Run one serialised ModelInferRequest; return the serialised ModelInferResponse."""
        with core_errors:
            pending = self._queue.submit_protobuf(message)
        return await self._answer(pending, _core.Response.encode_protobuf)

    async def infer_stream_protobuf(self, message: bytes) -> bytes:
        """Run one serialised ModelInferRequest; return a serialised ModelStreamInferResponse."""
        with core_errors:
            pending = self._queue.submit_protobuf(message)
        return await self._answer(pending, _core.Response.encode_stream_protobuf)

    async def infer(self, request: InferRequest) -> InferResult:
        """Run one in-process request on numpy arrays."""
        with core_errors:
            pending = self._queue.submit_tensors(
                model=request.model,
                version=request.version,
                request_id=request.id,
                inputs=[core_input(name, array) for name, array in request.inputs.items()],
                outputs=request.outputs,
                parameters=dict(request.parameters),
            )
        return await self._answer(pending, _result_of)

    def close(self) -> None:
        """Stop taking requests, wait for those in the core, and leave the loop.

        Futures still waiting are resolved, so that no caller hangs.
        """
        self._queue.close()
        self._resolve_delivered()
        self._loop.remove_reader(self._queue.fileno())

    async def _answer(
        self, pending: _core.Pending, encode: Callable[[_core.Response], _Answer]
    ) -> _Answer:
        future: asyncio.Future[_core.Response] = self._loop.create_future()
        self._waiting[pending.tag] = future
        try:
            response = await future
        except asyncio.CancelledError:
            pending.cancel()
            raise
        with core_errors:
            return encode(response)

    def _resolve_delivered(self) -> None:
        for tag, response in self._queue.drain():
            future = self._waiting.pop(tag)
            if not future.done():  # a cancelled caller has gone
                future.set_result(response)


def _result_of(response: _core.Response) -> InferResult:
    outputs = {view.name: array_of(view) for view in response.outputs()}
    return InferResult(response.model_version, outputs)
