"""InferenceResponseSender: answers a request with any number of responses, at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tritonpy.worker import runtime
from tritonpy.worker.errors import TritonModelException
from tritonpy.worker.reply import Reply
from tritonpy.worker.response import InferenceResponse

if TYPE_CHECKING:
    from tritonpy.worker.request import InferenceRequest

COMPLETE_FINAL: Final = 1


class InferenceResponseSender:
    """Sends the responses of one request. Thread-safe; usable after `execute` has returned."""

    def __init__(self, request: InferenceRequest, reply: Reply) -> None:
        signature = request._signature
        assert signature is not None
        self._reply = reply
        self._outputs = request._outputs
        self._cancel_index = request._cancel_index
        self._is_decoupled = signature.is_decoupled

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Send a response; with RESPONSE_COMPLETE_FINAL it is the last, and may be left out.

        Waits while the client is far behind with reading what was sent before.
        """
        self._refuse_misuse(response, flags)
        reply = self._reply
        with reply.lock:
            self._refuse_state(response)
            is_final = flags == COMPLETE_FINAL
            worker = runtime.current()
            if response is not None:
                reply.backlog.wait(self.is_cancelled, worker.ended)
            block = worker.send_response(reply.key, response, self._outputs, is_final=is_final)
            if block is not None:
                reply.backlog.add(block)
            reply.sent_count += response is not None
            reply.is_closed = is_final

    @staticmethod
    def _refuse_misuse(response: InferenceResponse | None, flags: int) -> None:
        if flags not in (0, COMPLETE_FINAL):
            raise TritonModelException("Unable to send response. Unsupported flag provided.")
        if response is None and flags == 0:
            raise TritonModelException(
                "Inference Response object must be provided when the response flags is set to zero."
            )
        if response is not None and not isinstance(response, InferenceResponse):
            raise TypeError(f"A response must be an InferenceResponse, got {type(response)}")

    def _refuse_state(self, response: InferenceResponse | None) -> None:
        reply = self._reply
        if reply.is_closed:
            raise TritonModelException("Unable to send response. Response sender has been closed.")
        if self._is_decoupled:
            return
        if response is not None and reply.sent_count > 0:
            raise TritonModelException(
                "Unable to send response. Non-decoupled model cannot send more than one response."
            )
        if response is None and reply.sent_count == 0:
            raise TritonModelException(
                "Unable to send response. Non-decoupled model cannot send complete final before "
                "sending a response."
            )

    def is_cancelled(self) -> bool:
        """Whether the client has gone, so that further responses are of no use."""
        if self._reply.is_closed:
            return False
        return runtime.current().inputs.is_cancelled(self._cancel_index)
