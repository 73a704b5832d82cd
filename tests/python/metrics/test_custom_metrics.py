"""Goal: what models count is on the page, and cannot break it.

Method: a store filled by hand, and the page made of it.
"""

from __future__ import annotations

from tests.python.api.fakes import FakeCore, FakeRepository
from tritonpy.metrics import CpuMetrics, CustomMetrics, MetricsPage, ModelMetrics
from tritonpy.metrics.exposition import render
from tritonpy.worker_host import MetricStore


def test_counters_and_gauges_have_one_line_a_metric() -> None:
    store = MetricStore()
    holder = store.holder()
    family = holder.make_family("orders", "What\ncame", "counter")
    for name, amount in (("b", 1.0), ("a", 2.5)):
        metric = holder.make_metric(family, (("who", name),), None)
        holder.update(metric, "increment", amount)
    assert render(CustomMetrics(store).families()) == (
        b"# HELP orders What\\ncame\n# TYPE orders counter\n"
        b'orders{who="a"} 2.5\norders{who="b"} 1\n'
    )


def test_histograms_count_upwards() -> None:
    store = MetricStore()
    holder = store.holder()
    family = holder.make_family("size", "Sizes", "histogram")
    metric = holder.make_metric(family, (("m", "x"),), [0.1, 1.0, 10.0])
    for amount in (0.05, 0.5, 0.6, 100.0):
        holder.update(metric, "observe", amount)
    assert render(CustomMetrics(store).families()).decode().splitlines() == [
        "# HELP size Sizes",
        "# TYPE size histogram",
        'size_bucket{m="x",le="0.1"} 1',
        'size_bucket{m="x",le="1"} 3',
        'size_bucket{m="x",le="10"} 3',
        'size_bucket{m="x",le="+Inf"} 4',
        'size_sum{m="x"} 101.15',
        'size_count{m="x"} 4',
    ]


def test_no_model_takes_a_name_of_the_server() -> None:
    store = MetricStore()
    holder = store.holder()
    for name in ("nv_inference_count", "mine"):
        holder.make_metric(holder.make_family(name, "", "gauge"), (), None)
    models = ModelMetrics(FakeRepository(), FakeCore(), counter_latencies=True)
    page = MetricsPage(models, CpuMetrics(), CustomMetrics(store).families).render().decode()
    assert "# TYPE mine gauge\nmine 0\n" in page
    assert "# TYPE nv_inference_count gauge" not in page
