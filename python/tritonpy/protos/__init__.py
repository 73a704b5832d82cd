"""The messages of the V2 protocol and of `config.pbtxt`, in a descriptor pool of their own.

Other packages (every Triton client among them) register the same names in protobuf's default
pool, and a name can be registered there only once. A private pool lets both live in one process.
"""

from tritonpy.protos.pool import POOL, new_pool

__all__ = ["POOL", "new_pool"]
