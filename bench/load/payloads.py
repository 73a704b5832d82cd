"""Inference requests as the bytes that a client would send, made by the public client itself."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import np_to_triton_dtype

Arrays = Mapping[str, npt.NDArray[np.generic]]

GRPC_PATH = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, slots=True)
class Payload:
    """One request: the model that it is for, and its arrays; `title` says both to a reader."""

    title: str
    model: str
    make_inputs: Callable[[], Arrays]
    is_identity: bool = False

    def is_answered_by(self, answer: bytes) -> bool:
        """Whether an answer holds what the model makes of the inputs; models that compute are
        taken on trust."""
        if not self.is_identity:
            return True
        return all(array.tobytes() in answer for array in self.make_inputs().values())


def _floats(count: int) -> Arrays:
    return {"INPUT0": np.ones(count, np.float32)}


IDENTITY = Payload(
    "identity FP32[1,16]", "identity_fp32", lambda: {"INPUT0": np.ones((1, 16), np.float32)}, True
)
IDENTITY_1_MB = Payload("identity 1 MB", "identity_large", lambda: _floats(1 << 18), True)
IDENTITY_16_MB = Payload("identity 16 MB", "identity_large", lambda: _floats(1 << 22), True)
PYTHON_IDENTITY = Payload(
    "Python identity FP32[1,16]", "python_identity", IDENTITY.make_inputs, True
)
PYTHON_IDENTITY_16_MB = Payload(
    "Python identity 16 MB", "python_identity_large", IDENTITY_16_MB.make_inputs, True
)
PYTHON_BLS = Payload("BLS to identity FP32[1,16]", "python_bls", IDENTITY.make_inputs, True)
DIGITS = Payload(
    "digits MLP in ONNX Runtime", "mlp_digits", lambda: {"X": np.ones((1, 64), np.float32)}
)
MINILM = Payload(
    "MiniLM, 16 tokens",
    "minilm",
    lambda: {
        "input_ids": np.full((1, 16), 2023, np.int64),
        "attention_mask": np.ones((1, 16), np.int64),
        "token_type_ids": np.zeros((1, 16), np.int64),
    },
)


def http_request(payload: Payload) -> bytes:
    """Return head and body of an HTTP request with binary tensors both ways."""
    tensors = []
    for name, array in payload.make_inputs().items():
        tensor = tritonclient.http.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=True)
        tensors.append(tensor)
    body, json_length = tritonclient.http.InferenceServerClient.generate_request_body(tensors)
    head = [
        f"POST /v2/models/{payload.model}/infer HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/octet-stream",
        f"Inference-Header-Content-Length: {json_length}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + bytes(body)


def grpc_message(payload: Payload) -> bytes:
    """Return one length-prefixed ModelInferRequest message."""
    request = tritonclient.grpc.service_pb2.ModelInferRequest(model_name=payload.model)
    for name, array in payload.make_inputs().items():
        request.inputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    return prefixed(request.SerializeToString())


def prefixed(message: bytes) -> bytes:
    """Return a gRPC message as it stands in a stream: uncompressed, its length first."""
    return struct.pack(">BI", 0, len(message)) + message
