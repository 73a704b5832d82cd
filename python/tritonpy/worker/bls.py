"""Business logic scripting: `exec` and `async_exec` of a request, the server's other models behind.

What fails at the server is told by the response's error; what is wrong with the call itself raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from tritonpy.worker.answer_message import Answer
from tritonpy.worker.calls import Call, Calls
from tritonpy.worker.errors import TritonModelException
from tritonpy.worker.response import InferenceResponse

if TYPE_CHECKING:
    from tritonpy.worker.request import InferenceRequest


class Bls:
    """Runs requests on the server. Thread-safe."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.is_open = False  # only while the model serves

    def execute(
        self, request: InferenceRequest, decoupled: bool
    ) -> InferenceResponse | ResponseIterator:
        """Run `request` and wait for its response; with `decoupled` return their iterator."""
        self._check_open()
        if decoupled:
            return ResponseIterator(self._calls, self._calls.start(request, decoupled))
        call, answer = self._calls.ask(request)
        response = answer.response
        while call is not None and not answer.is_final:
            answer = self._calls.next_answer(call)
            response = _merged(response, answer.response)
        return response

    def execute_async(self, request: InferenceRequest, decoupled: bool) -> asyncio.Future[Any]:
        """Run `request` at once; the future gives what `execute` would return.

        Cancelling the future cancels the request. Needs a running event loop.
        """
        self._check_open()
        arrivals = _Arrivals(self._calls, asyncio.get_running_loop())
        call = self._calls.start(request, decoupled, arrivals.notify)
        if decoupled:
            iterator = ResponseIterator(self._calls, call, arrivals)
            return asyncio.ensure_future(_immediately(iterator))
        return asyncio.ensure_future(self._collected(call, arrivals))

    async def _collected(self, call: Call, arrivals: _Arrivals) -> InferenceResponse:
        try:
            answer = await arrivals.next_of(call)
            response = answer.response
            while not answer.is_final:
                answer = await arrivals.next_of(call)
                response = _merged(response, answer.response)
            return response
        except asyncio.CancelledError:
            self._calls.cancel(call)
            raise

    def _check_open(self) -> None:
        if not self.is_open:
            raise TritonModelException("BLS is only supported during the 'execute' function.")


def _merged(first: InferenceResponse, second: InferenceResponse) -> InferenceResponse:
    """Return the response of two answers, of which the last may say nothing but that it is last."""
    return first if second._error is None else second


async def _immediately(iterator: ResponseIterator) -> ResponseIterator:
    return iterator


class _Arrivals:
    """Wakes coroutines of one event loop when answers are there."""

    def __init__(self, calls: Calls, loop: asyncio.AbstractEventLoop) -> None:
        self._calls = calls
        self._loop = loop
        self._is_there = asyncio.Event()

    def notify(self) -> None:
        """Say from any thread that an answer is there."""
        try:
            self._loop.call_soon_threadsafe(self._is_there.set)
        except RuntimeError:  # the loop was closed; nobody waits
            return

    async def next_of(self, call: Call) -> Answer:
        """Return the next answer to `call`."""
        while (answer := self._calls.take(call)) is None:
            self._is_there.clear()
            await self._is_there.wait()
        return answer


class ResponseIterator:
    """The responses of a decoupled model, as they come; also for `async for`.

    The last one may be empty: no output tensors, only the end.
    """

    def __init__(self, calls: Calls, call: Call, arrivals: _Arrivals | None = None) -> None:
        self._calls = calls
        self._call = call
        self._arrivals = arrivals
        self._has_ended = False

    def __iter__(self) -> Iterator[InferenceResponse]:
        return self

    def __next__(self) -> InferenceResponse:
        if self._has_ended:
            raise StopIteration
        answer = self._calls.next_answer(self._call)
        self._has_ended = answer.is_final
        return answer.response

    def __aiter__(self) -> AsyncIterator[InferenceResponse]:
        return self

    async def __anext__(self) -> InferenceResponse:
        if self._has_ended:
            raise StopAsyncIteration
        if self._arrivals is None:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(None, self._calls.next_answer, self._call)
        else:
            answer = await self._arrivals.next_of(self._call)
        self._has_ended = answer.is_final
        return answer.response

    def cancel(self) -> None:
        """Tell the server that no more responses are wanted."""
        if not self._has_ended:
            self._calls.cancel(self._call)

    def __del__(self) -> None:
        if not self._has_ended:
            self._calls.drop_from_finalizer(self._call)
