"""The links to the server: compiled, wherever this interpreter can load that.

The extension serves every CPython from 3.9 on of the server's platform. Interpreters of another
kind read and write in Python; and so does everybody what is out of the ordinary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonpy.worker.batch_link import BatchLink, PythonBatchLink
from tritonpy.worker.call_link import CallLink, PythonCallLink

if TYPE_CHECKING:
    from tritonpy.worker.input_arena import InputArena
    from tritonpy.worker.model_signature import ModelSignature
    from tritonpy.worker.output_arena import OutputArena
    from tritonpy.worker.sending import Sender


def links(
    batches: tuple[int, int],
    calls: tuple[int, int],
    sender: Sender,
    signature: ModelSignature,
    inputs: InputArena,
    outputs: OutputArena,
) -> tuple[BatchLink, CallLink]:
    """Return the fastest links that this interpreter has.

    They own the two pipes of `batches`, EXECUTE's and EXECUTED's, and the two of `calls`, that of
    answers and that of calls, which `sender` writes to.
    """
    try:
        from tritonpy.worker import _messages
    except ImportError:
        return PythonBatchLink(*batches, signature, inputs), PythonCallLink(calls[0], inputs)
    memory = _messages.Memory(inputs, outputs)
    return (
        _messages.BatchLink(*batches, signature, memory),
        _messages.CallLink(*calls, memory, sender),
    )
