"""The Triton model behind `@tritonpy.model`: it completes the config, and calls the function."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy
from numpy.typing import NDArray

from tritonpy.worker.annotations import Signature
from tritonpy.worker.errors import describe
from tritonpy.worker.model_config import ModelConfig
from tritonpy.worker.request import InferenceRequest
from tritonpy.worker.response import InferenceResponse, failed
from tritonpy.worker.response_sender import COMPLETE_FINAL, InferenceResponseSender
from tritonpy.worker.tensor import Tensor

if TYPE_CHECKING:
    from tritonpy.worker.simple_model import SimpleModel

# Generators that run at the same time, each in a thread; further requests wait for one to end.
STREAMS_MAX: Final = 64


class SimplePythonModel:
    """Serves one SimpleModel."""

    simple: ClassVar[SimpleModel]

    @staticmethod
    def factory(simple: SimpleModel) -> type[SimplePythonModel]:
        """Return the class that serves `simple`."""
        return type(simple.name, (SimplePythonModel,), {"simple": simple})

    @classmethod
    def auto_complete_config(cls, config: ModelConfig) -> ModelConfig:
        """Say in the configuration what the annotations say."""
        signature = cls.signature()
        if cls.simple.max_batch_size:
            given = int(config.as_dict().get("max_batch_size", 0))
            config.set_max_batch_size(given or cls.simple.max_batch_size)
            config.set_dynamic_batching()
        for tensor in signature.inputs:
            optional = {"optional": True} if tensor.is_optional else {}
            config.add_input({**tensor.entry(), **optional})
        for tensor in signature.outputs:
            config.add_output(tensor.entry())
        if signature.is_stream:
            config.set_model_transaction_policy({"decoupled": True})
        return config

    @classmethod
    def signature(cls) -> Signature:
        """Return what the annotations say. TypeError where that cannot be served."""
        signature = cls.simple.signature()
        if signature.is_stream and cls.simple.max_batch_size:
            raise TypeError(f"'{cls.simple.name}' streams, and what streams cannot batch")
        return signature

    def initialize(self, args: dict[str, str]) -> None:
        """Make what is called, and choose how."""
        self._signature = self.signature()
        self._is_batching = int(json.loads(args["model_config"]).get("max_batch_size", 0)) > 0
        self._function: Callable[..., Any] = self.simple.bound_function()
        self._threads: ThreadPoolExecutor | None = None
        is_async = inspect.iscoroutinefunction(self._function)
        if self._signature.is_stream:
            if inspect.isasyncgenfunction(self._function):
                self.execute: Callable[..., Any] = self._execute_async_streams
            else:
                self._threads = ThreadPoolExecutor(STREAMS_MAX, thread_name_prefix="stream")
                self.execute = self._execute_streams
        elif self._is_batching:
            self.execute = self._execute_async_batch if is_async else self._execute_batch
        else:
            self.execute = self._execute_async if is_async else self._execute

    def finalize(self) -> None:
        """Let go of the threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _execute(self, requests: list[InferenceRequest]) -> list[InferenceResponse]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: InferenceRequest) -> InferenceResponse:
        try:
            return self._response(self._function(**self._arguments([request])))
        except Exception as error:
            return failed(self._failure(error))

    async def _execute_async(self, requests: list[InferenceRequest]) -> list[InferenceResponse]:
        return list(await asyncio.gather(*map(self._answer_async, requests)))

    async def _answer_async(self, request: InferenceRequest) -> InferenceResponse:
        try:
            return self._response(await self._function(**self._arguments([request])))
        except Exception as error:
            return failed(self._failure(error))

    def _execute_batch(self, requests: list[InferenceRequest]) -> list[InferenceResponse]:
        return self._split(requests, self._function(**self._arguments(requests)))

    async def _execute_async_batch(
        self, requests: list[InferenceRequest]
    ) -> list[InferenceResponse]:
        return self._split(requests, await self._function(**self._arguments(requests)))

    def _execute_streams(self, requests: list[InferenceRequest]) -> None:
        assert self._threads is not None
        for request in requests:
            self._threads.submit(self._stream, request, request.get_response_sender())

    def _stream(self, request: InferenceRequest, sender: InferenceResponseSender) -> None:
        try:
            for value in self._function(**self._arguments([request])):
                if sender.is_cancelled():
                    break
                sender.send(self._response(value))
            sender.send(flags=COMPLETE_FINAL)
        except Exception as error:
            sender.send(failed(self._failure(error)), flags=COMPLETE_FINAL)

    async def _execute_async_streams(self, requests: list[InferenceRequest]) -> None:
        await asyncio.gather(*map(self._stream_async, requests))

    async def _stream_async(self, request: InferenceRequest) -> None:
        sender = request.get_response_sender()
        try:
            async for value in self._function(**self._arguments([request])):
                if sender.is_cancelled():
                    break
                sender.send(self._response(value))
            sender.send(flags=COMPLETE_FINAL)
        except Exception as error:
            sender.send(failed(self._failure(error)), flags=COMPLETE_FINAL)

    def _failure(self, error: Exception) -> str:
        return f"Failed to process the request for model '{self.simple.name}': {describe(error)}"

    def _arguments(self, requests: list[InferenceRequest]) -> dict[str, Any]:
        """Return what the function is called with: the requests' inputs, joined if there are many.

        An input that no request has is left to its default.
        """
        arguments = {}
        for type_ in self._signature.inputs:
            arrays = [
                tensor.as_numpy()
                for request in requests
                for tensor in request._inputs
                if tensor._name == type_.name
            ]
            if arrays:
                array = arrays[0] if len(arrays) == 1 else numpy.concatenate(arrays)
                arguments[type_.name] = type_.value_of(array, in_batch=self._is_batching)
        return arguments

    def _arrays(self, result: Any) -> list[NDArray[Any]]:
        """Return the array of each output in what the function returned."""
        types = self._signature.outputs
        values = tuple(result) if self._signature.is_tuple else (result,)
        if len(values) != len(types):
            raise ValueError(
                f"'{self.simple.name}' returned {len(values)} values, its annotation says "
                f"{len(types)}"
            )
        return [
            type_.array_of(values[at], in_batch=self._is_batching) for at, type_ in enumerate(types)
        ]

    def _response(self, result: Any) -> InferenceResponse:
        arrays = self._arrays(result)
        types = self._signature.outputs
        return InferenceResponse([Tensor(types[at].name, array) for at, array in enumerate(arrays)])

    def _split(self, requests: list[InferenceRequest], result: Any) -> list[InferenceResponse]:
        """Return each request's rows of the outputs."""
        rows = [request._inputs[0]._shape[0] if request._inputs else 1 for request in requests]
        arrays = self._arrays(result)
        types = self._signature.outputs
        for at, array in enumerate(arrays):
            if array.ndim == 0 or len(array) != sum(rows):
                raise ValueError(
                    f"'{self.simple.name}' returned '{types[at].name}' of shape "
                    f"{list(array.shape)} for a batch of {sum(rows)}"
                )
        responses = []
        first = 0
        for count in rows:
            responses.append(
                InferenceResponse(
                    [
                        Tensor(types[at].name, array[first : first + count])
                        for at, array in enumerate(arrays)
                    ]
                )
            )
            first += count
        return responses
