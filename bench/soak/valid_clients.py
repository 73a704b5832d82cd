"""Clients that use a server as it is meant to be used, and check every answer.

Each is a context manager that keeps its connections and yields one unit of work: a function of a
random generator, that raises when an answer is not what it must be.
"""

from __future__ import annotations

import json
import queue
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from tritonclient.utils import InferenceServerException

from tests.conformance.http2_connection import Http2Connection
from tests.conformance.http_connection import HttpConnection, chunked, request_bytes
from tests.conformance.infer_messages import infer_message, number_of
from tests.conformance.model_files import execute_delay, identity_config, write_config
from tests.conformance.raw_http import json_input

_TYPES = {"INT32": np.int32, "UINT8": np.uint8, "FP32": np.float32}
_CODINGS = (None, None, "gzip", "deflate")
_LARGE_BYTES = (1 << 20, 4 << 20)
_STREAMED = 50
_PIPELINED = 20
_CALLS = 50
# How long an answer may take before it counts as lost.
_PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server of this machine listens."""

    http: int
    grpc: int
    metrics: int


Work: TypeAlias = Callable[[random.Random], None]
Client: TypeAlias = Callable[[Ports], AbstractContextManager[Work]]


class WrongAnswer(Exception):
    """A valid request was not answered as it must be."""


def write_models(repository: Path) -> None:
    """Write the models that all clients use."""
    for wire_type in (*_TYPES, "BYTES"):
        write_config(repository, f"identity_{wire_type.lower()}", identity_config(wire_type))
    write_config(repository, "slow", identity_config("INT32", extra=execute_delay(20)))


def _require(holds: bool, what: object) -> None:
    if not holds:
        raise WrongAnswer(str(what))


def _random_tensor(chance: random.Random, size: int | None = None) -> tuple[str, Any]:
    wire_type = chance.choice(tuple(_TYPES))
    dtype = np.dtype(_TYPES[wire_type])
    count = chance.randrange(1, 2000) if size is None else size // dtype.itemsize
    values = np.frombuffer(chance.randbytes(count), np.uint8)
    return wire_type, values.astype(dtype).reshape(1, count)


def _infer(client: Any, module: Any, wire_type: str, sent: Any, **options: Any) -> None:
    tensor = module.InferInput("INPUT0", list(sent.shape), wire_type)
    tensor.set_data_from_numpy(sent)
    result = client.infer(f"identity_{wire_type.lower()}", [tensor], **options)
    _require(np.array_equal(result.as_numpy("OUTPUT0"), sent), f"{wire_type} {sent.shape}")


@contextmanager
def http_client(ports: Ports) -> Iterator[Work]:
    """Triton's HTTP client, with and without compression."""
    with httpclient.InferenceServerClient(
        f"127.0.0.1:{ports.http}", network_timeout=_PATIENCE_S
    ) as client:

        def work(chance: random.Random) -> None:
            _infer(
                client,
                httpclient,
                *_random_tensor(chance),
                request_compression_algorithm=chance.choice(_CODINGS),
                response_compression_algorithm=chance.choice(_CODINGS),
            )

        yield work


@contextmanager
def grpc_client(ports: Ports) -> Iterator[Work]:
    """Triton's gRPC client, with and without compression."""
    with grpcclient.InferenceServerClient(f"127.0.0.1:{ports.grpc}") as client:

        def work(chance: random.Random) -> None:
            _infer(
                client,
                grpcclient,
                *_random_tensor(chance),
                compression_algorithm=chance.choice(_CODINGS),
                client_timeout=_PATIENCE_S,
            )

        yield work


@contextmanager
def large_tensors(ports: Ports) -> Iterator[Work]:
    """Megabytes both ways over both protocols."""
    with (
        httpclient.InferenceServerClient(f"127.0.0.1:{ports.http}") as http,
        grpcclient.InferenceServerClient(f"127.0.0.1:{ports.grpc}") as grpc,
    ):

        def work(chance: random.Random) -> None:
            wire_type, sent = _random_tensor(chance, chance.choice(_LARGE_BYTES))
            _infer(http, httpclient, wire_type, sent)
            _infer(grpc, grpcclient, wire_type, sent, client_timeout=_PATIENCE_S)

        yield work


@contextmanager
def grpc_streams(ports: Ports) -> Iterator[Work]:
    """One ModelStreamInfer after the other, with many requests in flight."""
    with grpcclient.InferenceServerClient(f"127.0.0.1:{ports.grpc}") as client:

        def work(chance: random.Random) -> None:
            answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
            client.start_stream(lambda result, error: answers.put((result, error)))
            for number in range(_STREAMED):
                tensor = grpcclient.InferInput("INPUT0", [1, 1], "INT32")
                tensor.set_data_from_numpy(np.array([[number]], np.int32))
                client.async_stream_infer("identity_int32", [tensor], request_id=str(number))
            for number in range(_STREAMED):
                result, error = answers.get(timeout=_PATIENCE_S)
                _require(error is None, error)
                _require(result.as_numpy("OUTPUT0").item() == number, f"{number} is out of order")
            client.stop_stream()

        yield work


@contextmanager
def cancelling_client(ports: Ports) -> Iterator[Work]:
    """Calls that are cancelled, or whose deadline passes, beside others that must not suffer."""
    with Http2Connection(ports.grpc) as connection:

        def work(chance: random.Random) -> None:
            leaving = connection.unary("ModelInfer", infer_message(1, "slow"))
            late = connection.unary(
                "ModelInfer", infer_message(1, "slow"), [("grpc-timeout", "1m")]
            )
            staying = connection.unary("ModelInfer", infer_message(chance.randrange(99), "slow"))
            connection.reset(leaving)
            connection.wait_for(staying, late)
            _require(staying.status == 0, staying.text)
            _require(late.status in (0, 4), late.text)

        yield work


@contextmanager
def many_calls(ports: Ports) -> Iterator[Work]:
    """Many calls at once on a connection, which is a new one now and then."""
    connections = [Http2Connection(ports.grpc)]

    def work(chance: random.Random) -> None:
        connection = connections[0]
        numbers = [chance.randrange(1 << 31) for _ in range(_CALLS)]
        calls = [connection.unary("ModelInfer", infer_message(number)) for number in numbers]
        connection.wait_for(*calls)
        for number, call in zip(numbers, calls, strict=True):
            _require(call.status == 0, call.text)
            _require(number_of(call.messages[0]) == number, f"{number} is not what came back")
        if chance.random() < 0.05:
            connection.close()
            connections[0] = Http2Connection(ports.grpc)

    yield work
    connections[0].close()


@contextmanager
def raw_http(ports: Ports) -> Iterator[Work]:
    """Pipelined, chunked and short-lived HTTP."""
    path = "/v2/models/identity_int32/infer"

    def work(chance: random.Random) -> None:
        numbers = [chance.randrange(1000) for _ in range(_PIPELINED)]
        with HttpConnection(ports.http) as connection:
            for number in numbers:
                body = json.dumps({"inputs": [json_input([number], [1, 1], "INT32")]}).encode()
                if chance.random() < 0.5:
                    connection.send(request_bytes("POST", path, body))
                else:
                    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    at = chance.randrange(1, len(body))
                    connection.send(head.encode() + chunked([body[:at], body[at:]]))
            for number in numbers:
                answer = connection.answer()
                _require(answer.status == 200, answer.body)
                _require(answer.json["outputs"][0]["data"] == [number], answer.body)

    yield work


@contextmanager
def control_plane(ports: Ports) -> Iterator[Work]:
    """Metadata, statistics, index and metrics, and what is not there."""
    with (
        httpclient.InferenceServerClient(f"127.0.0.1:{ports.http}") as http,
        grpcclient.InferenceServerClient(f"127.0.0.1:{ports.grpc}") as grpc,
    ):

        def work(chance: random.Random) -> None:
            for client in (http, grpc):
                _require(client.is_server_ready(), "the server is not ready")
                _require(client.is_model_ready("identity_int32"), "the model is not ready")
                client.get_model_config("identity_int32")
                client.get_inference_statistics()
                client.get_model_repository_index()
                try:
                    client.get_model_metadata("nobody")
                except InferenceServerException as error:
                    _require("unknown model" in error.message(), error)
                else:
                    raise WrongAnswer("a model that is not there has metadata")
            with HttpConnection(ports.metrics) as connection:
                connection.send(request_bytes("GET", "/metrics"))
                _require(b"nv_inference_count" in connection.answer().body, "no metrics")

        yield work


CLIENTS: tuple[Client, ...] = (
    http_client,
    grpc_client,
    large_tensors,
    grpc_streams,
    cancelling_client,
    many_calls,
    raw_http,
    control_plane,
)
