"""Goal: ModelStreamInfer carries many requests at once, answers in order, and outlives errors.

Method: Triton's streaming client, and one raw stream for what that client does not show.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from typing import Any

import grpc as grpclib
import numpy as np
import tritonclient.grpc as grpcclient
from tritonclient.grpc import service_pb2

from tests.conformance.raw_grpc import open_stream, stream
from tests.conformance.running_server import RunningServer

_GUARD_S = 60


def _tensor(number: int) -> Any:
    tensor = grpcclient.InferInput("INPUT0", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.array([[number]], np.int32))
    return tensor


def _stream(
    client: Any, models: Sequence[str], headers: dict[str, str] | None = None
) -> list[tuple[Any, Any]]:
    """Send one request to each model on one stream; return as many answers, or up to its end."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)), headers=headers)
    for number, model in enumerate(models):
        client.async_stream_infer(model, [_tensor(number)], request_id=str(number))
    received = []
    for _ in models:
        received.append(answers.get(timeout=_GUARD_S))
        if headers and received[-1][1] is not None:
            break
    client.stop_stream()
    return received


def test_responses_keep_the_order_of_their_requests(grpc: Any) -> None:
    received = _stream(grpc, ["identity_int32"] * 200)
    assert [error for _, error in received] == [None] * 200
    assert [result.as_numpy("OUTPUT0").item() for result, _ in received] == list(range(200))
    assert [result.get_response().id for result, _ in received] == [str(n) for n in range(200)]


def test_every_response_is_marked_as_final(grpc: Any) -> None:
    ((result, _),) = _stream(grpc, ["identity_int32"])
    assert result.get_response().parameters["triton_final_response"].bool_param is True


def test_failed_request_leaves_the_stream_alive(grpc: Any) -> None:
    received = _stream(grpc, ["identity_int32", "unknown", "fixed", "identity_int32"])
    assert [error is None for _, error in received] == [True, False, False, True]
    assert received[1][1].message() == "Request for unknown model: 'unknown' is not found"
    assert "model 'fixed'" in received[2][1].message()
    assert received[3][0].as_numpy("OUTPUT0").item() == 3


def test_client_that_asks_for_it_gets_the_first_error_as_status(grpc: Any) -> None:
    received = _stream(grpc, ["identity_int32", "unknown"], headers={"triton_grpc_error": "true"})
    result, error = received[0]
    assert error is None
    assert result.as_numpy("OUTPUT0").item() == 0
    assert result.get_response().parameters["triton_final_response"].bool_param is True
    assert received[1][1].status() == "StatusCode.NOT_FOUND"
    assert received[1][1].message() == "Request for unknown model: 'unknown' is not found"


def test_error_names_the_request_that_it_belongs_to(server: RunningServer) -> None:
    requests = [
        service_pb2.ModelInferRequest(model_name="unknown", id="first").SerializeToString(),
        b"\xff\xff",
        service_pb2.ModelInferRequest(model_name="fixed", id="third").SerializeToString(),
    ]
    responses = [
        service_pb2.ModelStreamInferResponse.FromString(answer)
        for answer in stream(server.grpc_address, requests)
    ]
    assert [response.infer_response.id for response in responses] == ["first", "", "third"]
    assert all(response.error_message for response in responses)


def test_stream_without_requests_ends_well(server: RunningServer) -> None:
    assert list(stream(server.grpc_address, ())) == []


def test_client_that_leaves_hurts_nobody(server: RunningServer, grpc: Any) -> None:
    first_answer = queue.Queue[bytes]()

    def requests() -> Iterator[bytes]:
        tensor = service_pb2.ModelInferRequest.InferInputTensor(
            name="INPUT0", datatype="INT32", shape=[1, 1]
        )
        message = service_pb2.ModelInferRequest(
            model_name="identity_int32", inputs=[tensor], raw_input_contents=[bytes(4)]
        ).SerializeToString()
        yield message
        first_answer.get(timeout=_GUARD_S)  # never ends by itself: the call is cancelled first

    with grpclib.insecure_channel(server.grpc_address) as channel:
        call = open_stream(channel, requests())
        next(call)
        call.cancel()
        first_answer.put(b"")
    assert _stream(grpc, ["identity_int32"])[0][1] is None
