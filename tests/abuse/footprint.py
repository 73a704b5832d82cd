"""What a server process holds, and whether it still serves."""

from __future__ import annotations

import json

import psutil

from tests.conformance.http2_connection import Http2Connection
from tests.conformance.http_connection import HttpConnection, request_bytes
from tests.conformance.infer_messages import infer_message, number_of
from tests.conformance.metrics_page import metrics_page
from tests.conformance.raw_http import json_input
from tests.conformance.running_server import RunningServer

# Looks until something must have happened: minutes, where it takes milliseconds.
_LOOKS_MAX = 20_000


class Footprint:
    """The descriptors and the memory of a server, at the time when this was made."""

    def __init__(self, server: RunningServer) -> None:
        metrics_page(server)  # whose first answer opens what stays open
        self._server = server
        self._process = psutil.Process(server.pid)
        self.descriptors = self.descriptors_now()
        self.resident_bytes = self.resident_bytes_now()

    def descriptors_now(self) -> int:
        """Return how many are open."""
        return self._process.num_fds()

    def resident_bytes_now(self) -> int:
        """Return how much memory is in use."""
        return int(self._process.memory_info().rss)

    def assert_descriptors_are_back(self) -> None:
        """Return when no more are open than before; connections take a moment to go."""
        self.wait_for_descriptors(self.descriptors)

    def wait_for_descriptors(self, at_most: int) -> None:
        """Return when so many are open."""
        for _ in range(_LOOKS_MAX):
            if self.descriptors_now() <= at_most:
                return
            metrics_page(self._server)
        raise AssertionError(f"{self.descriptors_now()} descriptors are open, not {at_most}")

    def assert_memory_grew_by_less_than(self, size: int) -> None:
        """Compare with the memory at the beginning."""
        growth = self.resident_bytes_now() - self.resident_bytes
        assert growth < size, f"{growth >> 20} MiB more than before"


def assert_serves(server: RunningServer) -> None:
    """Infer over both protocols, and ask the control plane something."""
    body = json.dumps({"inputs": [json_input([5], [1, 1], "INT32")]}).encode()
    with HttpConnection(server.http_port) as http:
        http.send(request_bytes("POST", "/v2/models/identity_int32/infer", body))
        assert http.answer().json["outputs"][0]["data"] == [5]
        http.send(request_bytes("GET", "/v2"))
        assert http.answer().json["name"] == "triton"
    with Http2Connection(server.grpc_port) as grpc:
        call = grpc.unary("ModelInfer", infer_message(6))
        control = grpc.unary("ServerMetadata", b"")
        grpc.wait_for(call, control)
        assert number_of(call.messages[0]) == 6
        assert control.status == 0
