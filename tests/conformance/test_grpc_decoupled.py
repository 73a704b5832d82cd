"""Goal: ModelStreamInfer carries every response of a decoupled model as it comes.

Method: a model that does what each request says, on raw streams; what must have happened first is
waited for by another request to the same model, or by an answer.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2
from tritonclient.utils import serialize_byte_tensor

from tests.conformance.model_files import identity_config, write_config
from tests.conformance.raw_grpc import open_stream, stream, unary
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.scripted_model import NAME, write_scripted_model


@pytest.fixture(scope="module")
def server(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the scripted model, and one whose models answer once."""
    repository: Path = tmp_path_factory.mktemp("models")
    write_scripted_model(repository)
    write_config(repository, "identity", identity_config("INT32"))
    with RunningServer(repository, ServerOptions(frontend=frontend)) as running:
        yield running


def _request(*script: str, request_id: str = "", wants_empty_final: bool = False) -> bytes:
    data = serialize_byte_tensor(np.array([word.encode() for word in script], np.object_))
    tensor = service_pb2.ModelInferRequest.InferInputTensor(
        name="SCRIPT", datatype="BYTES", shape=[len(script)]
    )
    request = service_pb2.ModelInferRequest(
        model_name=NAME,
        id=request_id,
        inputs=[tensor],
        raw_input_contents=[data.item() if data.size else b""],
    )
    if wants_empty_final:
        request.parameters["triton_enable_empty_final_response"].bool_param = True
    message: bytes = request.SerializeToString()
    return message


def _identity(number: int) -> bytes:
    tensor = service_pb2.ModelInferRequest.InferInputTensor(
        name="INPUT0", datatype="INT32", shape=[1, 1]
    )
    message: bytes = service_pb2.ModelInferRequest(
        model_name="identity",
        id=str(number),
        inputs=[tensor],
        raw_input_contents=[number.to_bytes(4, "little")],
    ).SerializeToString()
    return message


def _said(answer: bytes) -> str:
    """Return id and text of an answer, an error behind an exclamation mark, `.` behind the last."""
    message = service_pb2.ModelStreamInferResponse.FromString(answer)
    response = message.infer_response
    if message.error_message:
        text = f"!{message.error_message}"
    elif response.outputs and response.outputs[0].datatype == "BYTES":
        text = response.raw_output_contents[0][4:].decode()
    else:
        text = ""
    final = response.parameters["triton_final_response"].bool_param
    return f"{response.id}{text}{'.' if final else ''}"


def _stream(server: RunningServer, *requests: bytes) -> list[str]:
    return [_said(answer) for answer in stream(server.grpc_address, requests)]


def _await_cancelled(server: RunningServer) -> None:
    """Return when the model has seen that a request of it was cancelled."""
    assert _stream(server, _request("await_cancelled")) == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ((), []),
        (("say:a",), ["a"]),
        (("last:a",), ["a."]),
        (("say:a", "say:b", "last:c"), ["a", "b", "c."]),
        (("say:a", "fail:no", "say:b"), ["a", "!no", "b"]),
    ],
)
def test_every_response_is_a_message(
    server: RunningServer, script: tuple[str, ...], said: list[str]
) -> None:
    assert _stream(server, _request(*script)) == said


@pytest.mark.parametrize(
    ("script", "said"), [((), ["."]), (("say:a",), ["a", "."]), (("last:a",), ["a."])]
)
def test_empty_end_is_a_message_for_whom_asks(
    server: RunningServer, script: tuple[str, ...], said: list[str]
) -> None:
    assert _stream(server, _request(*script, wants_empty_final=True)) == said


def test_error_of_a_model_names_request_and_model(server: RunningServer) -> None:
    (answer,) = stream(server.grpc_address, [_request("fail:no", request_id="7")])
    response = service_pb2.ModelStreamInferResponse.FromString(answer)
    assert response.error_message == "no"
    named = response.infer_response
    assert (named.id, named.model_name, named.model_version) == ("7", NAME, "1")


class _Talk:
    """A stream on which requests are sent one by one. A context manager that cancels it."""

    def __init__(self, server: RunningServer, *metadata: tuple[str, str]) -> None:
        self._requests: queue.Queue[bytes | None] = queue.Queue()
        self._channel = grpc.insecure_channel(server.grpc_address)
        call = self._channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer", bytes, bytes
        )
        self.answers: Any = call(iter(self._requests.get, None), metadata=metadata)

    def send(self, *requests: bytes) -> None:
        for request in requests:
            self._requests.put(request)

    def said(self, count: int) -> list[str]:
        return [_said(next(self.answers)) for _ in range(count)]

    def __enter__(self) -> _Talk:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._requests.put(None)
        self.answers.cancel()
        self._channel.close()


def test_decoupled_requests_hold_up_nobody(server: RunningServer) -> None:
    with _Talk(server) as talk:
        talk.send(_request("say:a", "hold", "last:b", request_id="1"))
        assert talk.said(1) == ["1a"]
        talk.send(_request("say:c", "last:d", request_id="2"), _identity(3))
        assert sorted(talk.said(3)) == ["2c", "2d.", "3."]
        talk.send(_request("release"))
        assert talk.said(1) == ["1b."]


def test_error_may_end_the_stream_with_its_status(server: RunningServer) -> None:
    with _Talk(server, ("triton_grpc_error", "true")) as talk:
        talk.send(_request("say:a", "fail:no", "until_cancelled"))
        assert talk.said(1) == ["a"]
        with pytest.raises(grpc.RpcError) as raised:
            next(talk.answers)
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        assert raised.value.details() == "no"
    _await_cancelled(server)


def test_client_that_leaves_cancels_all_requests_of_its_stream(server: RunningServer) -> None:
    with _Talk(server) as talk:
        talk.send(*[_request("say:a", "until_cancelled")] * 3)
        assert talk.said(3) == ["a"] * 3
    for _ in range(3):
        _await_cancelled(server)


def test_unary_call_refuses_a_decoupled_model(server: RunningServer) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        unary(server.grpc_address, "ModelInfer", _request("say:a"))
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert raised.value.details() == (
        "ModelInfer RPC doesn't support models with decoupled transaction policy"
    )


def test_many_requests_of_one_stream_keep_the_order_of_their_own_responses(
    server: RunningServer,
) -> None:
    requests = [
        _request(*[f"say:.{part}" for part in range(5)], request_id=str(number))
        for number in range(200)
    ]
    with grpc.insecure_channel(server.grpc_address) as channel:
        said = [_said(answer) for answer in open_stream(channel, iter(requests))]
    assert sorted(said) == sorted(f"{n}.{part}" for n in range(200) for part in range(5))
    for number in range(200):
        own = [text for text in said if text.startswith(f"{number}.")]
        assert own == [f"{number}.{part}" for part in range(5)]


def test_slow_reader_holds_its_model_back_and_loses_nothing(server: RunningServer) -> None:
    size, enough = 64 * 1024, 96 * 2**20  # beyond the bound where clients are cut off
    with _Talk(server) as talk:
        talk.send(_request(f"flood:{size}"))
        assert _stream(server, _request("await_held_back")) == []  # by a client that reads nothing
        for answer in talk.said(enough // size):
            assert len(answer) == size
    _await_cancelled(server)
