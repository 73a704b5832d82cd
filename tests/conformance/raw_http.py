"""Plain HTTP requests, for what no client library would send."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The text of an error body, which must be that of one."""
        assert self.headers["content-type"] == "application/json"
        assert list(self.json) == ["error"]
        text: str = self.json["error"]
        return text


def request(
    port: int,
    method: str,
    path: str,
    body: bytes | str | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own; an iterable body is sent in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        payload = body.encode() if isinstance(body, str) else body
        connection.request(method, path, payload, dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def infer(
    port: int,
    model: str,
    body: bytes | str | Mapping[str, Any] | Iterable[bytes],
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one inference request; a mapping is sent as JSON."""
    payload = json.dumps(body) if isinstance(body, Mapping) else body
    return request(port, "POST", f"/v2/models/{model}/infer", payload, headers)


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes as they are, close our side, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def json_input(
    data: Any, shape: list[int] | None = None, datatype: str = "FP32", name: str = "INPUT0"
) -> dict[str, Any]:
    """Return one input with its data in JSON."""
    return {"name": name, "shape": shape or [1, 2], "datatype": datatype, "data": data}


def binary_input(
    size: int, shape: list[int] | None = None, datatype: str = "FP32", name: str = "INPUT0"
) -> dict[str, Any]:
    """Return one input whose data follows the JSON."""
    parameters = {"binary_data_size": size}
    return {"name": name, "shape": shape or [1, 2], "datatype": datatype, "parameters": parameters}
