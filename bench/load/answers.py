"""What a server answers to a request, byte for byte, for the floor to repeat."""

from __future__ import annotations

import socket

import grpc

from bench.load.load_client import LoadError
from bench.load.payloads import GRPC_PATH, Payload, grpc_message, http_request, prefixed
from bench.load.scenarios import Protocol
from bench.load.server_process import ServerProcess

_TIMEOUT_S = 30.0


def answer_of(server: ServerProcess, payload: Payload, protocol: Protocol) -> bytes:
    """Return a whole HTTP response, or a gRPC message with its prefix; a wrong one is an error."""
    port = server.port(protocol)
    answer = _http_answer(port, payload) if protocol == "http" else _grpc_answer(port, payload)
    if not payload.is_answered_by(answer):
        raise LoadError(f"{payload.title}: the answer is not the model's: {answer[:500]!r}")
    return answer


def _http_answer(port: int, payload: Payload) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        connection.sendall(http_request(payload))
        with connection.makefile("rb") as stream:
            head = [stream.readline()]
            length = 0
            while head[-1] not in (b"\r\n", b""):
                head.append(stream.readline())
                name, _, value = head[-1].partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = stream.read(length)
    if not head[0].startswith(b"HTTP/1.1 200 ") or not length:
        raise LoadError(f"{payload.title}: {head[0].decode().strip()}: {body[:500].decode()}")
    return b"".join(head) + body


def _grpc_answer(port: int, payload: Payload) -> bytes:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.unary_unary(
            GRPC_PATH,
            request_serializer=lambda message: message,
            response_deserializer=lambda message: message,
        )
        try:
            message: bytes = call(grpc_message(payload)[5:], timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            raise LoadError(f"{payload.title}: {error}") from error
    return prefixed(message)
