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


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to load, and the arrays of one request."""

    model: str
    make_inputs: Callable[[], Arrays]


SUBJECTS = (
    Subject("identity_fp32", lambda: {"INPUT0": np.ones((1, 16), np.float32)}),
    Subject("mlp_digits", lambda: {"X": np.ones((1, 64), np.float32)}),
    Subject(
        "minilm",
        lambda: {
            "input_ids": np.full((1, 16), 2023, np.int64),
            "attention_mask": np.ones((1, 16), np.int64),
            "token_type_ids": np.zeros((1, 16), np.int64),
        },
    ),
)


def http_body(inputs: Arrays) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an HTTP request with binary tensors both ways."""
    tensors = []
    for name, array in inputs.items():
        tensor = tritonclient.http.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=True)
        tensors.append(tensor)
    body, json_length = tritonclient.http.InferenceServerClient.generate_request_body(tensors)
    headers = {"Content-Type": "application/octet-stream"}
    if json_length is not None:
        headers["Inference-Header-Content-Length"] = str(json_length)
    return body, headers


def grpc_body(model: str, inputs: Arrays) -> bytes:
    """Return one length-prefixed ModelInferRequest message."""
    request = tritonclient.grpc.service_pb2.ModelInferRequest(model_name=model)
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    message: bytes = request.SerializeToString()
    return struct.pack(">BI", 0, len(message)) + message
