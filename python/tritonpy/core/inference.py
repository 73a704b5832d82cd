"""Inference from one asyncio loop: submit to the core, hand on what comes for each request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

from tritonpy import _core
from tritonpy.core.arrays import array_of, core_input
from tritonpy.core.response_stream import MessageStream, ResponseStream, TensorStream
from tritonpy.core.status import core_errors
from tritonpy.errors import InternalError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_Answer = TypeVar("_Answer")
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]  # of HTTP, names in any case
Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]  # of gRPC


class JsonAnswer(NamedTuple):
    """An HTTP inference answer; `json_length` is set when binary tensors follow the JSON."""

    body: bytes
    json_length: int | None


def check_json(text: bytes) -> None:
    """Raise InternalError, with Triton's text, for what is no JSON; InvalidArgError past a bound.

    JSON here is UTF-8, and has the literals NaN, Infinity and -Infinity that Python writes.
    """
    with core_errors:
        _core.check_json(text)


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
    headers: Headers = ()  # for rollouts alone: no model sees them


@dataclass(frozen=True, slots=True)
class InferResult:
    """An in-process answer. Arrays borrow the core's memory and are read-only."""

    model_version: int
    outputs: Mapping[str, npt.NDArray[np.generic]]


class _Receiver(Protocol):
    """Who waits for the responses of one request."""

    def arrive(self, response: _core.Response) -> None:
        """Take a response from the core."""


class _SingleResponse:
    """Waits for the one response of a request."""

    __slots__ = ("_early", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[_core.Response] = loop.create_future()
        self._early = 0

    def arrive(self, response: _core.Response) -> None:
        """Take a response from the core."""
        if not response.final:
            self._early += 1
        elif self.future.done():  # a cancelled caller has gone
            return
        elif self._early:
            count = self._early + (not response.is_empty_final)
            self.future.set_exception(InternalError(f"expected a single response, got {count}"))
        else:
            self.future.set_result(response)


class Inference:
    """Inference for one asyncio loop: submits to the core, hands on the responses.

    Confined to its loop. Cancelling the task that awaits an answer cancels the request in the core,
    closing a stream does too.
    """

    def __init__(self, queue: _core.CompletionQueue, loop: asyncio.AbstractEventLoop) -> None:
        self._queue = queue
        self._loop = loop
        self._receivers: dict[int, _Receiver] = {}
        loop.add_reader(queue.fileno(), self._hand_on_delivered)

    @property
    def wants_headers(self) -> bool:
        """Whether it matters just now which headers a request has."""
        return self._queue.wants_headers

    async def infer_json(
        self,
        model: str,
        version: int,
        body: bytes,
        json_length: int | None,
        max_input_size: int,
        headers: Headers,
    ) -> JsonAnswer:
        """Run one V2 HTTP inference body; `json_length` is Inference-Header-Content-Length."""
        with core_errors:
            pending = self._queue.submit_json(
                model, version, body, json_length, max_input_size, headers
            )
        encoded = await self._answer(pending, _core.Response.encode_json)
        return JsonAnswer(*encoded)

    async def infer_protobuf(self, message: bytes, metadata: Metadata) -> bytes:
        """Run one serialised ModelInferRequest; return the serialised ModelInferResponse."""
        with core_errors:
            pending = self._queue.submit_protobuf(message, stream=False, headers=metadata)
        return await self._answer(pending, _core.Response.encode_protobuf)

    def stream_protobuf(self, message: bytes, metadata: Metadata) -> MessageStream:
        """Begin to run one serialised ModelInferRequest whose model may answer any way."""
        with core_errors:
            pending = self._queue.submit_protobuf(message, stream=True, headers=metadata)
        return MessageStream(self._stream(pending))

    async def infer(self, request: InferRequest) -> InferResult:
        """Run one in-process request on numpy arrays."""
        return await self._answer(self._submit(request), _result_of)

    def stream(self, request: InferRequest) -> TensorStream:
        """Begin to run one in-process request whose model may answer any number of times."""
        return TensorStream(self._stream(self._submit(request)))

    def close(self) -> None:
        """Stop taking requests, wait for those in the core, and leave the loop.

        Whoever still waits is answered, so that no caller hangs.
        """
        self._queue.close()
        self._hand_on_delivered()
        self._loop.remove_reader(self._queue.fileno())

    def _submit(self, request: InferRequest) -> _core.Pending:
        with core_errors:
            return self._queue.submit_tensors(
                model=request.model,
                version=request.version,
                request_id=request.id,
                inputs=[core_input(name, array) for name, array in request.inputs.items()],
                outputs=request.outputs,
                parameters=dict(request.parameters),
                headers=request.headers,
            )

    def _stream(self, pending: _core.Pending) -> ResponseStream:
        stream = ResponseStream(pending)
        self._receivers[pending.tag] = stream
        return stream

    async def _answer(
        self, pending: _core.Pending, encode: Callable[[_core.Response], _Answer]
    ) -> _Answer:
        single = _SingleResponse(self._loop)
        self._receivers[pending.tag] = single
        try:
            response = await single.future
        except asyncio.CancelledError:
            pending.cancel()
            raise
        with core_errors:
            return encode(response)

    def _hand_on_delivered(self) -> None:
        for tag, response in self._queue.drain():
            receiver = self._receivers.pop(tag) if response.final else self._receivers[tag]
            receiver.arrive(response)


def _result_of(response: _core.Response) -> InferResult:
    outputs = {view.name: array_of(view) for view in response.outputs()}
    return InferResult(response.model_version, outputs)
