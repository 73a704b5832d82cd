"""InferenceRequest: one that the server handed to the model, or one that the model makes (BLS)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from tritonpy.worker import runtime
from tritonpy.worker.errors import TritonModelException
from tritonpy.worker.input_arena import NO_CANCEL_INDEX
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.parameters import Parameters, as_text, checked
from tritonpy.worker.reply import Reply
from tritonpy.worker.tensor import Tensor

if TYPE_CHECKING:
    from tritonpy.worker.bls import ResponseIterator
    from tritonpy.worker.response import InferenceResponse
    from tritonpy.worker.response_sender import InferenceResponseSender

SEQUENCE_START: Final = 1
SEQUENCE_END: Final = 2
RELEASE_ALL: Final = 1
RELEASE_RESCHEDULE: Final = 2
MEMORY_CPU: Final = 0
MEMORY_GPU: Final = 1
_STRING_CORRELATION: Final = 1
_OPENING: Final = threading.Lock()


class PreferredMemory:
    """Where a model would like the outputs of a BLS request; all tensors lie in host memory."""

    def __init__(self, preferred_memory_type: int, preferred_device_id: int = 0) -> None:
        self.preferred_memory_type = preferred_memory_type
        self.preferred_device_id = preferred_device_id


class InferenceTrace:
    """The trace that a request belongs to, to be handed on to the requests made for it.

    This server traces nothing, so it is one that nothing is written to.
    """

    def get_context(self) -> str | None:
        """Return None: there is no span that one of the model's could belong to."""
        return None


class InferenceRequest:
    """One inference request."""

    __slots__ = (
        "_cancel_index",
        "_correlation",
        "_flags",
        "_id",
        "_inputs",
        "_key",
        "_model_name",
        "_model_version",
        "_outputs",
        "_parameters",
        "_preferred_memory",
        "_priority",
        "_release_flags",
        "_reply",
        "_signature",
        "_timeout",
        "_trace",
    )

    def __init__(
        self,
        request_id: str = "",
        correlation_id: int | str = 0,
        inputs: Iterable[Tensor] = (),
        requested_output_names: Iterable[str] = (),
        model_name: str = "",
        model_version: int | str = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: PreferredMemory | None = None,
        trace: InferenceTrace | None = None,
        parameters: dict[str, bool | int | str] | None = None,
    ) -> None:
        if type(correlation_id) is not int:
            _check_correlation(correlation_id)
        self._inputs = list(inputs)
        self._outputs: Any = list(requested_output_names)
        for tensor in self._inputs:
            if type(tensor) is not Tensor:
                _check_inputs(self._inputs, request_id, model_name)
        for name in self._outputs:
            if not name:
                _refuse_empty("Requested output name", request_id, model_name)
        self._signature: ModelSignature | None = None
        self._key = 0
        self._id = request_id
        self._correlation = correlation_id
        self._model_name = model_name
        self._model_version = model_version
        self._flags = flags
        self._timeout = timeout
        self._priority = 0
        self._cancel_index = NO_CANCEL_INDEX
        self._parameters = {} if parameters is None else checked(parameters)
        self._preferred_memory = preferred_memory
        self._trace = trace
        self._release_flags = RELEASE_ALL
        self._reply: Reply | None = None

    def inputs(self) -> list[Tensor]:
        """Return the input tensors."""
        return self._inputs

    def request_id(self) -> str:
        """Return the client's id, empty where it gave none."""
        return self._id

    def correlation_id(self) -> int | str:
        """Return the sequence's id: 0 outside of sequences."""
        return self._correlation

    def flags(self) -> int:
        """Return the flags: start and end of a sequence."""
        return self._flags

    def set_flags(self, flags: int) -> None:
        """Set the flags that this request is sent with."""
        self._flags = flags

    def timeout(self) -> int:
        """Return the timeout in microseconds, 0 for none."""
        return self._timeout

    def priority(self) -> int:
        """Return the priority, 0 for the model's default."""
        return self._priority

    def model_name(self) -> str:
        """Return the name of the model that the request is for."""
        return self._model_name

    def model_version(self) -> int | str:
        """Return the version of the model that the request is for: -1 for any, or its label."""
        return self._model_version

    def parameters(self) -> str:
        """Return the request's parameters as the text of a JSON object."""
        return as_text(self._parameters)

    def requested_output_names(self) -> set[str]:
        """Return the names of the outputs that are wanted."""
        signature = self._signature
        if signature is None:
            return set(self._outputs)
        if self._outputs is None:
            return set(signature.output_names)
        return {signature.output_names[index] for index in self._outputs}

    def preferred_memory(self) -> PreferredMemory | None:
        """Return what was asked for in the constructor."""
        return self._preferred_memory

    def trace(self) -> InferenceTrace:
        """Return the trace to give to requests that are made for this one."""
        return self._trace or InferenceTrace()

    def is_cancelled(self) -> bool:
        """Whether the client has gone, so that the answer is of no use."""
        index = self._cancel_index
        if index == NO_CANCEL_INDEX or (self._reply is not None and self._reply.is_closed):
            return False
        return runtime.current().inputs.is_cancelled(index)

    def get_response_sender(self) -> InferenceResponseSender:
        """Return the sender of this request's responses, for use now or after `execute`."""
        from tritonpy.worker.response_sender import InferenceResponseSender

        if self._signature is None:
            raise TritonModelException("A request that the model made has no response sender.")
        return InferenceResponseSender(self, self._open_reply())

    def _open_reply(self) -> Reply:
        """Return what tells whether this request, which outlives its batch, was answered."""
        with _OPENING:  # there must be only one: a second would say that nobody can answer
            if self._reply is None:
                self._reply = Reply(self._key)
            return self._reply

    def set_release_flags(self, flags: int) -> None:
        """With RELEASE_RESCHEDULE the server hands this request to a later `execute` again."""
        if flags not in (RELEASE_ALL, RELEASE_RESCHEDULE):
            raise TritonModelException("Unable to set release flags. Unsupported flag provided.")
        self._release_flags = flags

    def exec(self, decoupled: bool = False) -> InferenceResponse | ResponseIterator:
        """Run the request on the server and wait: a response, or the iterator of a decoupled model.

        What fails there is told by the response's error.
        """
        return runtime.current().bls.execute(self, decoupled)

    def async_exec(self, decoupled: bool = False) -> asyncio.Future[Any]:
        """Run the request on the server; the result is that of `exec`, to be awaited."""
        return runtime.current().bls.execute_async(self, decoupled)


def _check_correlation(correlation_id: Any) -> None:
    if isinstance(correlation_id, bool) or not isinstance(correlation_id, (int, str)):
        raise TritonModelException("Correlation ID must be integer or string")


def _check_inputs(inputs: list[Any], request_id: str, model_name: str) -> None:
    if any(tensor is None or tensor == "" for tensor in inputs):
        _refuse_empty("Input tensor", request_id, model_name)
    if not all(isinstance(tensor, Tensor) for tensor in inputs):
        raise TypeError(f"the inputs of a request must be Tensors, found {inputs}")


def _refuse_empty(what: str, request_id: str, model_name: str) -> None:
    raise TritonModelException(
        f"{what} for request with id '{request_id}' and model name '{model_name}' "
        "should not be empty."
    )


# What a request has whose message says nothing more.
NO_EXTRAS: Final[tuple[str, str, Parameters]] = ("", "", {})


def received(
    signature: ModelSignature,
    head: tuple[Any, ...],
    extras: tuple[str, str, Parameters] | None,
    inputs: list[Tensor],
    outputs: tuple[int, ...] | None,
    new: Any = InferenceRequest.__new__,
) -> InferenceRequest:
    """Return the request that the server described: `head` and `extras` as in EXECUTE."""
    request: InferenceRequest = new(InferenceRequest)
    (
        request._key,
        request._correlation,
        request._timeout,
        request._priority,
        request._flags,
        request._cancel_index,
        _,
        _,
        correlation_kind,
        _,
    ) = head
    request._id, correlation, request._parameters = extras or NO_EXTRAS
    if correlation_kind == _STRING_CORRELATION:
        request._correlation = correlation
    request._signature = signature
    request._inputs = inputs
    request._outputs = outputs
    request._model_name = signature.model_name
    request._model_version = -1
    request._preferred_memory = None
    request._release_flags = RELEASE_ALL
    request._reply = None
    request._trace = None
    return request
