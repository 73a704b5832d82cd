"""Python models run in worker processes; this starts them, hears them, and ends them.

What a worker says to the core goes over channels that the core has to itself. Here are the rest:
the process, what it prints, and a control channel for everything that is not inference.
"""

from tritonpy.worker_host.host import ReadyCheck, WorkerHost
from tritonpy.worker_host.interpreter import Interpreters, cache_directory, environment_path
from tritonpy.worker_host.metric_store import MetricFamilyValue, MetricStore, MetricValue
from tritonpy.worker_host.model_control import ModelControl
from tritonpy.worker_host.spec import WorkerSpec, worker_spec

__all__ = [
    "Interpreters",
    "MetricFamilyValue",
    "MetricStore",
    "MetricValue",
    "ModelControl",
    "ReadyCheck",
    "WorkerHost",
    "WorkerSpec",
    "cache_directory",
    "environment_path",
    "worker_spec",
]
