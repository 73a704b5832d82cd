"""Everything that a worker process consists of, in one object; what the API's calls go through."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from tritonpy.worker import wire
from tritonpy.worker.bls import Bls
from tritonpy.worker.calls import Calls
from tritonpy.worker.control_channel import ControlChannel
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.links import links
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.output_arena import Block, OutputArena
from tritonpy.worker.response_message import ResponseWriter
from tritonpy.worker.sending import Sender

if TYPE_CHECKING:
    from tritonpy.worker.response import InferenceResponse


class Worker:
    """The server's memory, the channels to it, and what goes over them.

    Thread-safe, but for `batches`.
    """

    def __init__(
        self,
        signature: ModelSignature,
        control: ControlChannel,
        batches: tuple[int, int],
        calls: tuple[int, int],
        inputs: InputArena,
        outputs: OutputArena,
        *,
        verbose_level: int,
    ) -> None:
        self.signature: Final = signature
        self.control: Final = control
        self.inputs: Final = inputs
        self.outputs: Final = outputs
        self.writer: Final = ResponseWriter(signature, inputs, outputs)
        self._sender: Final = Sender(calls[1])
        self.batches, call_link = links(batches, calls, self._sender, signature, inputs, outputs)
        self.bls: Final = Bls(Calls(call_link, self._sender, inputs, outputs))
        self.verbose_level: Final = verbose_level
        self.ended: Final = threading.Event()  # the server takes no more responses

    def send_response(
        self,
        key: int,
        response: InferenceResponse | None,
        outputs: tuple[int, ...] | None,
        *,
        is_final: bool,
    ) -> Block | None:
        """Send a response to an open request, and return the block that its outputs take.

        `outputs` are those that its client wants.
        """
        body, block = self.writer.response(key, response, outputs, is_final=is_final)
        self._sender.send(wire.message(wire.RESPONSE, body))
        return block

    def reschedule(self, key: int) -> None:
        """Give an open request back, to run again after what was sent for it."""
        self._sender.send(wire.message(wire.RESPONSE, self.writer.rescheduled(key)))

    def abandon(self, key: int) -> None:
        """Fail an open request that nobody can answer any more. Safe in `__del__`."""
        from tritonpy.worker.response import failed

        text = (
            f"Python model instance '{self.signature.instance_name}' dropped the request "
            "without a final response"
        )
        body, _ = self.writer.response(key, failed(text), None, is_final=True)
        self._sender.send_from_finalizer(wire.message(wire.RESPONSE, body))

    def call(self, message: dict[str, Any]) -> Any:
        """Ask the server's Python side; TritonModelException with what it objects."""
        return self.control.call(message)
