"""V2 over gRPC."""

import os

# Read when grpc is imported. What goes wrong comes back as an error; nobody reads it twice.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from tritonpy.frontends.grpc.frontend import GrpcFrontend

__all__ = ["GrpcFrontend"]
