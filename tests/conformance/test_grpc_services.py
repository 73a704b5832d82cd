"""Goal: tools that know nothing of V2 can look at the gRPC port.

Method: the standard health and reflection clients.
"""

from __future__ import annotations

import grpc as grpclib
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from tests.conformance.raw_grpc import unary
from tests.conformance.running_server import RunningServer


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService", "anything"])
def test_health_check_says_serving(server: RunningServer, service: str) -> None:
    with grpclib.insecure_channel(server.grpc_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_watch_is_not_implemented(server: RunningServer) -> None:
    with grpclib.insecure_channel(server.grpc_address) as channel:
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        with pytest.raises(grpclib.RpcError) as error:
            next(watching)
    assert error.value.code() == grpclib.StatusCode.UNIMPLEMENTED


def test_reflection_describes_every_service(server: RunningServer) -> None:
    with grpclib.insecure_channel(server.grpc_address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        names = set(database.get_services())
        pool = DescriptorPool(database)
        methods = {
            name: set(pool.FindServiceByName(name).methods_by_name) for name in sorted(names)
        }
    assert names == {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert {"ModelInfer", "ModelStreamInfer", "RepositoryIndex", "LogSettings"} <= methods[
        "inference.GRPCInferenceService"
    ]


def test_unknown_call_is_not_implemented(server: RunningServer) -> None:
    with pytest.raises(grpclib.RpcError) as error:
        unary(server.grpc_address, "Nothing", b"")
    assert error.value.code() == grpclib.StatusCode.UNIMPLEMENTED
