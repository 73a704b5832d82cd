"""The messages of `model_config.proto`; `model_config_pb2.pyi` is written by the build."""

from tritonpy.protos.pool import module_contents

globals().update(module_contents("model_config.proto"))
