"""The standard gRPC health service: it says whether the server is ready."""

from __future__ import annotations

from typing import Final

from grpc_health.v1 import health_pb2

from tritonpy.api import V2Service
from tritonpy.errors import TritonError
from tritonpy.frontends.grpc.calls import UnaryCall, path_of, unary_call

HEALTH_SERVICE_NAME: Final = "grpc.health.v1.Health"


def health_calls(service: V2Service) -> dict[str, UnaryCall]:
    """Return Check; Watch is left out, which clients understand, as in Triton."""

    async def check(_: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
        statuses = health_pb2.HealthCheckResponse.ServingStatus
        status = statuses.SERVING if _is_ready(service) else statuses.NOT_SERVING
        return health_pb2.HealthCheckResponse(status=status)

    return {path_of(HEALTH_SERVICE_NAME, "Check"): unary_call(health_pb2.HealthCheckRequest, check)}


def _is_ready(service: V2Service) -> bool:
    try:
        return service.is_ready()
    except TritonError:  # exiting
        return False
