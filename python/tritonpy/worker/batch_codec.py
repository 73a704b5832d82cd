"""Reading EXECUTE and writing EXECUTED: compiled, wherever this interpreter can load that.

The extension serves every CPython from 3.9 on of the server's platform. Interpreters of another
kind read and write in Python; and so does everybody what is out of the ordinary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from tritonpy.worker.execute_message import read_batch

if TYPE_CHECKING:
    from tritonpy.worker.input_arena import InputArena
    from tritonpy.worker.model_signature import ModelSignature
    from tritonpy.worker.output_arena import OutputArena
    from tritonpy.worker.request import InferenceRequest


class BatchCodec(Protocol):
    """One worker's, used by the thread that runs its batches."""

    def read(self, buffer: bytearray, at: int, end: int) -> list[InferenceRequest]:
        """Return the requests in `buffer[at:end]`, whose tensors are views of the inputs.

        ValueError, IndexError or struct.error where the message is not well-formed.
        """

    def executed(self, requests: list[InferenceRequest], responses: Any) -> bytes | None:
        """Return the body of the EXECUTED for what the model returned, its outputs written.

        None, and nothing is done, where that takes `execution.BatchRunner` to judge.
        TritonModelException where there is no memory for it.
        """


class PythonBatchCodec:
    """The codec of an interpreter that cannot load the compiled one."""

    def __init__(self, signature: ModelSignature, inputs: InputArena, _: OutputArena) -> None:
        self._signature: Final = signature
        self._inputs: Final = inputs

    def read(self, buffer: bytearray, at: int, end: int) -> list[InferenceRequest]:
        """As BatchCodec says it."""
        return read_batch(buffer, at, end, self._signature, self._inputs)

    def executed(self, requests: list[InferenceRequest], responses: Any) -> bytes | None:
        """Leave everything to be judged."""
        return None


def batch_codec(signature: ModelSignature, inputs: InputArena, outputs: OutputArena) -> BatchCodec:
    """Return the fastest codec that this interpreter has."""
    try:
        from tritonpy.worker._batch_codec import BatchCodec as CompiledCodec
    except ImportError:
        return PythonBatchCodec(signature, inputs, outputs)
    return CompiledCodec(signature, inputs, outputs)
