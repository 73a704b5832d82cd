"""Running a batch through the model, and judging what it returns."""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from collections.abc import Awaitable
from typing import Any, Final

from tritonpy.worker import wire
from tritonpy.worker.errors import TritonModelException, describe
from tritonpy.worker.reply import Reply
from tritonpy.worker.request import RELEASE_RESCHEDULE, InferenceRequest
from tritonpy.worker.response import InferenceResponse, failed
from tritonpy.worker.response_message import Answer
from tritonpy.worker.worker import Worker


class BatchRunner:
    """Runs batches, one after another, in the thread that calls."""

    def __init__(self, worker: Worker, model: Any) -> None:
        if not callable(getattr(model, "execute", None)):
            raise AttributeError(
                f"'{type(model).__name__}' object has no attribute 'execute': "
                f"Python model '{worker.signature.instance_name}' cannot run"
            )
        self._worker: Final = worker
        self._model_execute: Final = model.execute
        self._is_decoupled: Final = worker.signature.is_decoupled
        self._instance: Final = worker.signature.instance_name
        self._loop: asyncio.AbstractEventLoop | None = None
        # Of the batch in hand: what is closed once its message is written.
        self._answered: list[Reply] = []

    def run(self, requests: list[InferenceRequest]) -> bytes:
        """Return the body of the EXECUTED that answers `requests`."""
        try:
            result = self._model_execute(requests)
            if type(result) is not list and result is not None and inspect.isawaitable(result):
                result = self._result_of(result, requests)
        except BaseException as error:  # SystemExit, too: the server decides when this ends
            traceback.print_exc()
            return self._failed(requests, describe(error))
        try:
            if self._is_decoupled:
                self._refuse_result(result)
                result = None
            body = self._worker.batches.executed(requests, result)
            if body is None:
                body = self._worker.writer.executed(self._answers(requests, result))
        except TritonModelException as error:
            self._answered.clear()
            return self._failed(requests, str(error))
        except Exception as error:
            traceback.print_exc()
            self._answered.clear()
            return self._failed(requests, describe(error))
        while self._answered:
            self._answered.pop().is_closed = True
        return body

    def _result_of(self, awaitable: Awaitable[Any], requests: list[InferenceRequest]) -> Any:
        """Await an async `execute`; that of a decoupled model goes on beside the next one."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            if self._is_decoupled:
                threading.Thread(
                    target=self._loop.run_forever, name="async-execute", daemon=True
                ).start()
        if not self._is_decoupled:
            return self._loop.run_until_complete(awaitable)
        asyncio.run_coroutine_threadsafe(self._watched(awaitable, requests), self._loop)
        return None

    async def _watched(self, awaitable: Awaitable[Any], requests: list[InferenceRequest]) -> None:
        """Await a decoupled `execute`; if it fails, so do those of its requests that are open."""
        try:
            self._refuse_result(await awaitable)
        except BaseException as error:
            traceback.print_exc()
            message = self._failure(describe(error))
            for request in requests:
                reply = request._open_reply()
                with reply.lock:
                    if not reply.is_closed:
                        self._worker.send_response(reply.key, failed(message), None, is_final=True)
                        reply.is_closed = True

    def _refuse_result(self, result: Any) -> None:
        if result is not None:
            raise TritonModelException(
                f"Python model '{self._instance}' is using the decoupled mode and the execute "
                "function must return None."
            )

    def _left_open(self, request: InferenceRequest) -> Answer:
        if request._release_flags == RELEASE_RESCHEDULE:
            return self._rescheduled(request)
        request._open_reply()
        return (wire.OPEN, None, None)

    def _rescheduled(self, request: InferenceRequest) -> Answer:
        reply = request._reply
        if reply is None:
            return (wire.RESCHEDULED, None, None)
        with reply.lock:
            if not reply.is_closed:
                # On the way that its responses went, lest it be faster than they.
                self._worker.reschedule(reply.key)
                reply.is_closed = True
        return (wire.OPEN, None, None)

    def _answers(self, requests: list[InferenceRequest], result: Any) -> list[Answer]:
        """Return what a list of responses, in the order of the requests, says of each."""
        if result is None:
            return [self._left_open(request) for request in requests]
        if not isinstance(result, list):
            raise TritonModelException(
                f"Expected a list in the execute return, found type '{type(result)}'."
            )
        if len(result) != len(requests):
            raise TritonModelException(
                "Number of InferenceResponse objects do not match the number of InferenceRequest "
                f"objects. InferenceRequest(s) size is:{len(requests)}, and InferenceResponse(s) "
                f"size is:{len(result)}\n"
            )
        answers: list[Answer] = []
        for at, request in enumerate(requests):
            response = result[at]
            if (
                type(response) is InferenceResponse
                and request._reply is None
                and request._release_flags != RELEASE_RESCHEDULE
            ):
                answers.append((wire.ANSWERED, response, request._outputs))
            else:
                answers.append(self._unusual_answer(request, response))
        return answers

    def _unusual_answer(self, request: InferenceRequest, response: Any) -> Answer:
        if response is None:
            return self._left_open(request)
        if request._release_flags == RELEASE_RESCHEDULE:
            raise TritonModelException(
                "Expected a None object in the execute function return list for reschduled "
                f"request, found type '{type(response)}'."
            )
        if not isinstance(response, InferenceResponse):
            raise TritonModelException(
                "Expected an 'InferenceResponse' object in the execute function return list, "
                f"found type '{type(response)}'."
            )
        reply = request._open_reply()
        with reply.lock:
            if reply.is_closed or reply.sent_count:
                return (wire.OPEN, None, None)  # the sender was first
        self._answered.append(reply)
        return (wire.ANSWERED, response, request._outputs)

    def _failure(self, message: str) -> str:
        return f"Failed to process the request(s) for model '{self._instance}', message: {message}"

    def _failed(self, requests: list[InferenceRequest], message: str) -> bytes:
        """Return the EXECUTED that fails the requests which no sender has answered."""
        text = self._failure(message)
        if all(request._reply is None for request in requests):
            return self._worker.writer.failed_batch(text)
        error = failed(text)
        answers: list[Answer] = []
        for request in requests:
            reply = request._open_reply()
            with reply.lock:
                if reply.is_closed:
                    answers.append((wire.OPEN, None, None))
                else:
                    reply.is_closed = True
                    answers.append((wire.ANSWERED, error, None))
        return self._worker.writer.executed(answers)
