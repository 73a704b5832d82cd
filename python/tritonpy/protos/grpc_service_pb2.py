"""The messages of `grpc_service.proto`; `grpc_service_pb2.pyi` is written by the build."""

from tritonpy.protos.pool import module_contents

globals().update(module_contents("grpc_service.proto"))
