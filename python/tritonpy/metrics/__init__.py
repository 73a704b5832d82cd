"""Prometheus metrics with Triton's names."""

from tritonpy.metrics.cpu_metrics import CpuMetrics
from tritonpy.metrics.custom_metrics import CustomMetrics
from tritonpy.metrics.model_metrics import ModelMetrics
from tritonpy.metrics.page import MetricsApp, MetricsPage

__all__ = ["CpuMetrics", "CustomMetrics", "MetricsApp", "MetricsPage", "ModelMetrics"]
