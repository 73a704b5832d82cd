"""V2 over gRPC."""

from tritonpy.frontends.grpc.frontend import GrpcFrontend

__all__ = ["GrpcFrontend"]
