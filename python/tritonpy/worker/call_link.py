"""What models ask of the server's other models (BLS), and the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from tritonpy.worker import wire
from tritonpy.worker.answer_message import Answer, read_answer
from tritonpy.worker.receiving import Receiver

if TYPE_CHECKING:
    from tritonpy.worker.input_arena import InputArena
    from tritonpy.worker.request import InferenceRequest


class CallLink(Protocol):
    """One worker's. Any thread may write, one at a time receives."""

    def infer(self, request: InferenceRequest, call: int, is_decoupled: bool) -> bytes | None:
        """Return the INFER for `request`, its tensors written; it must be sent then.

        None, and nothing is done, where that takes `infer_message`. TritonModelException where
        there is no memory for it.
        """

    def exchange(
        self, message: bytes, call: int, deliver: Callable[[Answer], None]
    ) -> Answer | None:
        """Send the INFER of `call`, and return the next answer to it; others are delivered.

        Blocks. None, and nothing is done, where that takes the sender, or who has no fast way.
        Errors as those of `receive`, and ConnectionError when the server has closed.
        """

    def receive(self) -> Answer | None:
        """Return the next answer, its tensors views of the inputs; None when the server has closed.

        Blocks. ValueError, IndexError, KeyError or struct.error where no well-formed message came.
        Inputs that nobody uses any more are given back.
        """


class PythonCallLink:
    """The link of an interpreter that cannot load the compiled one (`links`)."""

    def __init__(self, answers: int, inputs: InputArena) -> None:
        self._receiver: Final = Receiver(answers)
        self._inputs: Final = inputs

    def infer(self, request: InferenceRequest, call: int, is_decoupled: bool) -> bytes | None:
        """Leave everything to `infer_message`."""
        return None

    def exchange(
        self, message: bytes, call: int, deliver: Callable[[Answer], None]
    ) -> Answer | None:
        """Leave everything to the sender and `receive`."""
        return None

    def receive(self) -> Answer | None:
        """As CallLink says it."""
        self._inputs.release()
        while (message := self._receiver.receive()) is not None:
            kind, start, end = message
            if kind == wire.ANSWER:
                return read_answer(self._receiver.buffer, start, end, self._inputs)
        return None
