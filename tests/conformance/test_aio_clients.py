"""Goal: Triton's asyncio clients work unchanged.

Method: the same small request through tritonclient.http.aio and tritonclient.grpc.aio, alone and
many at once, and one that is cancelled.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
import tritonclient.http.aio as httpaio

from tests.conformance.running_server import RunningServer

_MODULES = {"http": (httpaio, httpclient), "grpc": (grpcaio, grpcclient)}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_aio_client_gets_its_answers(server: RunningServer, protocol: str) -> None:
    aio, plain = _MODULES[protocol]
    address = server.http_address if protocol == "http" else server.grpc_address

    async def infer(client: Any, number: int) -> None:
        tensor = plain.InferInput("INPUT0", [1, 2], "INT64")
        tensor.set_data_from_numpy(np.full((1, 2), number, np.int64))
        result = await client.infer("identity_int64", [tensor])
        assert result.as_numpy("OUTPUT0").tolist() == [[number, number]]

    async with aio.InferenceServerClient(address) as client:
        assert await client.is_server_live()
        assert await client.is_model_ready("identity_int64")
        await infer(client, -1)
        await asyncio.gather(*(infer(client, number) for number in range(30)))


async def test_aio_stream_answers_in_order(server: RunningServer) -> None:
    async def requests() -> Any:
        for number in range(10):
            tensor = grpcclient.InferInput("INPUT0", [1, 1], "INT32")
            tensor.set_data_from_numpy(np.array([[number]], np.int32))
            yield {
                "model_name": "identity_int32",
                "inputs": [tensor],
                "request_id": str(number),
            }

    async with grpcaio.InferenceServerClient(server.grpc_address) as client:
        answers = [answer async for answer in client.stream_infer(requests())]
    assert [error for _, error in answers] == [None] * 10
    assert [result.as_numpy("OUTPUT0").item() for result, _ in answers] == list(range(10))
    assert [result.get_response().id for result, _ in answers] == [str(n) for n in range(10)]
