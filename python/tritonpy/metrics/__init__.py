"""Prometheus metrics with Triton's names."""

from tritonpy.metrics.cpu_metrics import CpuMetrics
from tritonpy.metrics.custom_metrics import CustomMetrics
from tritonpy.metrics.model_metrics import ModelMetrics
from tritonpy.metrics.page import MetricsApp, MetricsPage
from tritonpy.metrics.rollout_metrics import RolloutMetrics
from tritonpy.metrics.server_page import server_page

__all__ = [
    "CpuMetrics",
    "CustomMetrics",
    "MetricsApp",
    "MetricsPage",
    "ModelMetrics",
    "RolloutMetrics",
    "server_page",
]
