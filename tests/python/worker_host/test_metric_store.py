"""Goal: metrics of several models are shared, counted and let go as Triton's custom metrics are.

Method: two holders of one store, as two workers have them.
"""

from __future__ import annotations

import pytest

from tritonpy.errors import InvalidArgError
from tritonpy.worker_host import MetricStore
from tritonpy.worker_host.metric_store import (
    BUCKETS_MAX,
    FAMILIES_MAX,
    FAMILY_GONE,
    MetricFamilyValue,
    MetricHolder,
    MetricValue,
)

_LABELS = (("model", "m"), ("a", "1"))


@pytest.fixture
def store() -> MetricStore:
    return MetricStore()


@pytest.fixture
def holder(store: MetricStore) -> MetricHolder:
    return store.holder()


def test_what_two_workers_make_alike_is_one(store: MetricStore) -> None:
    first, second = store.holder(), store.holder()
    for holder, description in ((first, "first"), (second, "second")):
        family = holder.make_family("requests", description, "counter")
        metric = holder.make_metric(family, _LABELS, None)
        holder.update(metric, "increment", 1.5)
        assert holder.value(metric) == (1.5 if holder is first else 3.0)
    labels = (("a", "1"), ("model", "m"))
    wanted = MetricFamilyValue("requests", "first", "counter", (MetricValue(labels, 3.0),))
    assert store.families() == [wanted]
    first.release()
    assert store.families() == [wanted], "the other worker still has it"
    second.release()
    assert store.families() == []


def test_family_without_metrics_is_not_shown(store: MetricStore, holder: MetricHolder) -> None:
    family = holder.make_family("requests", "", "gauge")
    assert store.families() == []
    metric = holder.make_metric(family, (), None)
    assert [each.name for each in store.families()] == ["requests"]
    holder.delete_metric(metric)
    holder.delete_metric(metric)
    assert store.families() == []


def test_gauge_is_set_and_incremented(holder: MetricHolder) -> None:
    metric = holder.make_metric(holder.make_family("g", "", "gauge"), (), None)
    holder.update(metric, "set", 5.0)
    holder.update(metric, "increment", -7.0)
    assert holder.value(metric) == -2.0


def test_histogram_counts_what_it_observes(store: MetricStore, holder: MetricHolder) -> None:
    metric = holder.make_metric(holder.make_family("h", "", "histogram"), (), [0.1, 1.0])
    for amount in (0.1, 0.5, 3.0, 4.0):
        holder.update(metric, "observe", amount)
    (family,) = store.families()
    assert family.metrics == (MetricValue((), 7.6, (0.1, 1.0), (1, 1, 2)),)


@pytest.mark.parametrize(
    ("kind", "operation", "amount", "text"),
    [
        ("counter", "set", 1.0, "TRITONSERVER_METRIC_KIND_COUNTER does not support Set"),
        ("counter", "observe", 1.0, "TRITONSERVER_METRIC_KIND_COUNTER does not support Observe"),
        ("gauge", "observe", 1.0, "TRITONSERVER_METRIC_KIND_GAUGE does not support Observe"),
        (
            "counter",
            "increment",
            -1.0,
            "TRITONSERVER_METRIC_KIND_COUNTER can only be incremented monotonically by "
            "non-negative values.",
        ),
        ("counter", "increment", float("nan"), "monotonically"),
    ],
)
def test_kinds_refuse_what_they_do_not_do(
    holder: MetricHolder, kind: str, operation: str, amount: float, text: str
) -> None:
    metric = holder.make_metric(holder.make_family("f", "", kind), (), None)
    with pytest.raises(InvalidArgError, match=text.replace(".", r"\.")):
        holder.update(metric, operation, amount)
    assert holder.value(metric) == 0.0


def test_histogram_has_no_value(holder: MetricHolder) -> None:
    metric = holder.make_metric(holder.make_family("h", "", "histogram"), (), [1.0])
    with pytest.raises(InvalidArgError, match="KIND_HISTOGRAM does not support Value"):
        holder.value(metric)
    with pytest.raises(InvalidArgError, match="KIND_HISTOGRAM does not support Increment"):
        holder.update(metric, "increment", 1.0)


def test_buckets_belong_to_histograms(holder: MetricHolder) -> None:
    histogram = holder.make_family("h", "", "histogram")
    with pytest.raises(InvalidArgError, match=r"^Bucket boundaries not found in Metric args\.$"):
        holder.make_metric(histogram, (), None)
    with pytest.raises(InvalidArgError, match="buckets must ascend"):
        holder.make_metric(histogram, (), [2.0, 1.0])
    with pytest.raises(InvalidArgError, match=f"at most {BUCKETS_MAX}"):
        holder.make_metric(histogram, (), [float(bound) for bound in range(BUCKETS_MAX + 1)])
    counter = holder.make_family("c", "", "counter")
    with pytest.raises(
        InvalidArgError, match=r"^Unexpected args found in counter Metric constructor\.$"
    ):
        holder.make_metric(counter, (), [1.0])


def test_name_has_one_kind_and_is_a_name(holder: MetricHolder) -> None:
    holder.make_family("f", "", "counter")
    with pytest.raises(InvalidArgError, match="metric family 'f' exists as a counter"):
        holder.make_family("f", "", "gauge")
    for name, kind in (("f g", "counter"), ("", "gauge"), ("f", "summary"), ('f"} 1', "gauge")):
        with pytest.raises(InvalidArgError, match="is no name of a metric family"):
            holder.make_family(name, "", kind)
    with pytest.raises(InvalidArgError, match="'a b' is no name of a label"):
        holder.make_metric(holder.make_family("f", "", "counter"), (("a b", "1"),), None)


def test_deleting_a_family_first_makes_its_metrics_useless(
    store: MetricStore, holder: MetricHolder
) -> None:
    family = holder.make_family("f", "", "counter")
    metric = holder.make_metric(family, (), None)
    holder.delete_family(family)
    assert store.families() == []
    for use in (
        lambda: holder.update(metric, "increment", 1.0),
        lambda: holder.value(metric),
        lambda: holder.make_metric(family, (), None),
    ):
        with pytest.raises(InvalidArgError) as raised:
            use()
        assert raised.value.message == FAMILY_GONE
    holder.delete_metric(metric)
    again = holder.make_metric(holder.make_family("f", "", "gauge"), (), None)
    assert holder.value(again) == 0.0


def test_families_are_bounded(holder: MetricHolder) -> None:
    for number in range(FAMILIES_MAX):
        holder.make_family(f"f{number}", "", "counter")
    with pytest.raises(InvalidArgError, match=f"there are {FAMILIES_MAX} metric families already"):
        holder.make_family("more", "", "counter")
    holder.make_family("f0", "", "counter")
