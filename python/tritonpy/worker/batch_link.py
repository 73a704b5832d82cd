"""The server's batches, received and answered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Protocol

from tritonpy.worker import wire
from tritonpy.worker.execute_message import read_batch
from tritonpy.worker.receiving import Receiver
from tritonpy.worker.sending import send_all

if TYPE_CHECKING:
    from tritonpy.worker.input_arena import InputArena
    from tritonpy.worker.model_signature import ModelSignature
    from tritonpy.worker.request import InferenceRequest


class BatchLink(Protocol):
    """One worker's, used by the thread that runs its batches."""

    def receive(self) -> list[InferenceRequest] | None:
        """Return the next batch, its tensors views of the inputs; None when the server has closed.

        Blocks. ValueError, IndexError or struct.error where no well-formed EXECUTE came.
        """

    def executed(self, requests: list[InferenceRequest], responses: Any) -> bytes | None:
        """Return the body of the EXECUTED for what the model returned, its outputs written.

        None, and nothing is done, where that takes `execution.BatchRunner` to judge.
        TritonModelException where there is no memory for it.
        """

    def answer(self, body: bytes) -> bool:
        """Send EXECUTED, and give back inputs that nobody uses; False when the server has gone."""


class PythonBatchLink:
    """The link of an interpreter that cannot load the compiled one (`links`)."""

    def __init__(
        self, execute: int, executed: int, signature: ModelSignature, inputs: InputArena
    ) -> None:
        self._receiver: Final = Receiver(execute)
        self._executed: Final = executed
        self._signature: Final = signature
        self._inputs: Final = inputs

    def receive(self) -> list[InferenceRequest] | None:
        """As BatchLink says it."""
        message = self._receiver.receive()
        if message is None:
            return None
        kind, start, end = message
        if kind != wire.EXECUTE:
            raise ValueError("the server sent no EXECUTE on the channel of batches")
        return read_batch(self._receiver.buffer, start, end, self._signature, self._inputs)

    def executed(self, requests: list[InferenceRequest], responses: Any) -> bytes | None:
        """Leave everything to be judged."""
        return None

    def answer(self, body: bytes) -> bool:
        """As BatchLink says it."""
        try:
            send_all(self._executed, wire.message(wire.EXECUTED, body))
        except (BrokenPipeError, ConnectionResetError):
            return False
        os.sched_yield()  # on a core for both, to the server's thread that waits for this
        self._inputs.release()
        return True
