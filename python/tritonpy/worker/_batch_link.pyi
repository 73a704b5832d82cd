from typing import Any

from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.request import InferenceRequest

class BatchLink:
    def __init__(
        self,
        execute: int,
        executed: int,
        signature: ModelSignature,
        inputs: InputArena,
        outputs: OutputArena,
    ) -> None: ...
    def receive(self) -> list[InferenceRequest] | None: ...
    def executed(self, requests: list[InferenceRequest], responses: Any) -> bytes | None: ...
    def answer(self, body: bytes) -> bool: ...
