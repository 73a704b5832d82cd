from typing import Any

from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.request import InferenceRequest

class BatchCodec:
    def __init__(
        self, signature: ModelSignature, inputs: InputArena, outputs: OutputArena
    ) -> None: ...
    def read(self, buffer: bytearray, at: int, end: int) -> list[InferenceRequest]: ...
    def executed(self, requests: list[InferenceRequest], responses: Any) -> bytes | None: ...
