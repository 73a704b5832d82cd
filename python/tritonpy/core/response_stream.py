"""The responses of one request, as they come: any number of them, the last one marked as final.

What waits here is bounded by the core: it cuts a request off whose responses are not taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tritonpy import _core
from tritonpy.core.arrays import array_of
from tritonpy.core.status import core_errors
from tritonpy.errors import TritonError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One output of a response. The array borrows the core's memory and is read-only."""

    name: str
    data_type: str  # FP32, BYTES; the array of BF16 holds its bit patterns
    array: npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class StreamedResult:
    """One response as tensors."""

    model: str
    version: int
    parameters: Mapping[str, bool | int | float | str]
    outputs: tuple[OutputTensor, ...]


class StreamedMessage(NamedTuple):
    """One response as a serialised ModelStreamInferResponse, which also says an error."""

    data: bytes
    error: TritonError | None


class ResponseStream:
    """Responses in the order of their coming. Confined to the loop of its `Inference`."""

    def __init__(self, pending: _core.Pending) -> None:
        self._pending = pending
        self._waiting: deque[_core.Response] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._heard_last = False
        self._closed = False

    @property
    def decoupled(self) -> bool:
        """Whether the model may answer any number of times."""
        return self._pending.decoupled

    @property
    def wants_empty_final(self) -> bool:
        """Whether the request asks to be told also of an end that brings nothing."""
        return self._pending.wants_empty_final

    def arrive(self, response: _core.Response) -> None:
        """Take a response from the core."""
        if self._closed:
            return
        self._waiting.append(response)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def next_now(self) -> _core.Response | None:
        """Return the next response if it is here."""
        if not self._waiting:
            return None
        response = self._waiting.popleft()
        self._heard_last = response.final
        return response

    async def next(self) -> _core.Response | None:
        """Return the next response when it is here, None after the last."""
        while not self._waiting:
            if self._heard_last or self._closed:
                return None
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self.next_now()

    def close(self) -> None:
        """Take no more; cancels the request when there would be more."""
        self._closed = True
        if not self._heard_last and not any(response.final for response in self._waiting):
            self._pending.cancel()
        self._waiting.clear()


class TensorStream:
    """The responses of a request as tensors, and as the errors that some of them are.

    An end that brings nothing is no response.
    """

    def __init__(self, responses: ResponseStream) -> None:
        self._responses = responses

    async def next(self) -> StreamedResult | TritonError | None:
        """Return the next response when it is here, None after the last."""
        return _result_of(await self._responses.next())

    def next_now(self) -> StreamedResult | TritonError | None:
        """Return the next response if it is here."""
        return _result_of(self._responses.next_now())

    def close(self) -> None:
        """Take no more; cancels the request when there would be more."""
        self._responses.close()


class MessageStream:
    """The responses of a request as messages of ModelStreamInfer."""

    def __init__(self, responses: ResponseStream) -> None:
        self._responses = responses

    @property
    def decoupled(self) -> bool:
        """Whether the model may answer any number of times, and in no order with others."""
        return self._responses.decoupled

    async def next(self) -> StreamedMessage | None:
        """Return the next message, None after the last.

        An end that brings nothing is no message unless the request asked for it. Raises
        TritonError for a response that cannot be encoded; more may follow.
        """
        while (response := await self._responses.next()) is not None:
            if response.is_empty_final and not self._responses.wants_empty_final:
                continue
            with core_errors:
                return StreamedMessage(response.encode_stream_protobuf(), _error_of(response))
        return None

    def close(self) -> None:
        """Take no more; cancels the request when there would be more."""
        self._responses.close()


def _result_of(response: _core.Response | None) -> StreamedResult | TritonError | None:
    if response is None or response.is_empty_final:
        return None
    return _error_of(response) or StreamedResult(
        response.model_name,
        response.model_version,
        response.parameters(),
        tuple(OutputTensor(one.name, one.data_type, array_of(one)) for one in response.outputs()),
    )


def _error_of(response: _core.Response) -> TritonError | None:
    try:
        with core_errors:
            response.raise_if_failed()
    except TritonError as error:
        return error
    return None
