"""The standard gRPC reflection service: it describes every service of the port."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tritonpy.frontends.grpc.calls import StreamCall, path_of
from tritonpy.frontends.grpc.codec import parse_message
from tritonpy.protos import new_pool


def reflection_calls(service_names: Iterable[str]) -> dict[str, StreamCall]:
    """Return the one call of the service; it describes `service_names` and itself."""
    pool = new_pool()
    for file in (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
        pool.AddSerializedFile(file.serialized_pb)
    names = (*service_names, reflection.SERVICE_NAME)
    servicer: Any = reflection.ReflectionServicer(names, pool=pool)  # its stubs say nothing

    async def info(messages: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for message in messages:
            request = parse_message(reflection_pb2.ServerReflectionRequest, message)
            for response in servicer.ServerReflectionInfo(iter((request,)), None):
                yield response.SerializeToString()

    return {path_of(reflection.SERVICE_NAME, "ServerReflectionInfo"): info}
