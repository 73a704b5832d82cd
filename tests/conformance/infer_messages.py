"""Small V2 messages of gRPC, and what their answers must be."""

from __future__ import annotations

import struct

from tritonclient.grpc import service_pb2


def infer_message(number: int, model: str = "identity_int32", request_id: str = "") -> bytes:
    """Return a request with one number."""
    tensor = service_pb2.ModelInferRequest.InferInputTensor(
        name="INPUT0", datatype="INT32", shape=[1, 1]
    )
    message = service_pb2.ModelInferRequest(
        model_name=model,
        id=request_id,
        inputs=[tensor],
        raw_input_contents=[struct.pack("<i", number)],
    )
    return bytes(message.SerializeToString())


def large_infer_message(size: int, model: str = "identity_uint8") -> bytes:
    """Return a request with a tensor of so many bytes."""
    tensor = service_pb2.ModelInferRequest.InferInputTensor(
        name="INPUT0", datatype="UINT8", shape=[1, size]
    )
    message = service_pb2.ModelInferRequest(
        model_name=model, inputs=[tensor], raw_input_contents=[bytes(range(256)) * (size // 256)]
    )
    return bytes(message.SerializeToString())


def number_of(answer: bytes) -> int:
    """Return the number of an answer to `infer_message`."""
    response = service_pb2.ModelInferResponse.FromString(answer)
    (number,) = struct.unpack("<i", response.raw_output_contents[0])
    return int(number)


def streamed_number_of(answer: bytes) -> int:
    """Return the number of an answer on ModelStreamInfer."""
    response = service_pb2.ModelStreamInferResponse.FromString(answer)
    assert not response.error_message, response.error_message
    return number_of(response.infer_response.SerializeToString())
