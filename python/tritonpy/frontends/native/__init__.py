"""V2 over HTTP and gRPC from C++ sockets, with the control plane behind a bridge."""

from tritonpy.frontends.native.frontend import NativeGrpcFrontend, NativeHttpFrontend
from tritonpy.frontends.native.io_service import IoService

__all__ = ["IoService", "NativeGrpcFrontend", "NativeHttpFrontend"]
