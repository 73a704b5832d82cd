"""The page of a whole server: which families there are, and whom they ask."""

from __future__ import annotations

from tritonpy.core import Core
from tritonpy.metrics.cpu_metrics import CpuMetrics
from tritonpy.metrics.custom_metrics import CustomMetrics
from tritonpy.metrics.demand_metrics import DemandMetrics
from tritonpy.metrics.model_metrics import ModelMetrics
from tritonpy.metrics.page import MetricsPage
from tritonpy.metrics.rollout_metrics import RolloutMetrics
from tritonpy.options import MetricsOptions
from tritonpy.repository import ModelRepository
from tritonpy.worker_host import MetricStore


def server_page(
    repository: ModelRepository, core: Core, store: MetricStore, options: MetricsOptions
) -> MetricsPage:
    """Return the page; `store` has the metrics that models make."""
    return MetricsPage(
        ModelMetrics(repository, core, counter_latencies=options.counter_latencies),
        CpuMetrics(),
        CustomMetrics(store).families,
        RolloutMetrics(repository.rollouts).families,
        DemandMetrics(repository.on_demand, repository.budget).families,
    )
