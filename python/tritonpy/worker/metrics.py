"""MetricFamily and Metric: metrics of the model's own, on the server's metrics page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tritonpy.worker import runtime
from tritonpy.worker.errors import TritonModelException

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"
_FAMILY_IS_GONE: Final = (
    "Invalid metric operation as the corresponding 'MetricFamily' has been deleted. The "
    "'MetricFamily' object should be deleted AFTER its corresponding 'Metric' objects have been "
    "deleted."
)


class _Family:
    """What a family and its metrics share: whether the family is there still."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind = kind
        self.number = number
        self.is_deleted = False


class Metric:
    """One metric of a family. Made by `MetricFamily.Metric`."""

    def __init__(self, family: _Family, number: int) -> None:
        self._family = family
        self._number = number

    def increment(self, value: float) -> None:
        """Add `value` to a counter (not a negative one) or a gauge."""
        self._refuse_unless("increment", "Increment", (COUNTER, GAUGE))
        if self._family.kind == COUNTER and not value >= 0:
            raise TritonModelException(
                "Failed to increment metric value: TRITONSERVER_METRIC_KIND_COUNTER can only be "
                "incremented monotonically by non-negative values."
            )
        self._update("increment", value)

    def set(self, value: float) -> None:
        """Set a gauge to `value`."""
        self._refuse_unless("set", "Set", (GAUGE,))
        self._update("set", value)

    def observe(self, value: float) -> None:
        """Count `value` in a histogram."""
        self._refuse_unless("observe", "Observe", (HISTOGRAM,))
        self._update("observe", value)

    def value(self) -> float:
        """Return the value of a counter or a gauge."""
        self._refuse_unless("get", "Value", (COUNTER, GAUGE))
        worker = runtime.current()
        return float(worker.call({"op": "metric_value", "metric": self._number}))

    def _update(self, kind: str, value: float) -> None:
        message = {"op": "metric_update", "metric": self._number, "kind": kind}
        runtime.current().control.send({**message, "value": float(value)})

    def _refuse_unless(self, verb: str, operation: str, kinds: tuple[str, ...]) -> None:
        if self._family.is_deleted:
            raise TritonModelException(_FAMILY_IS_GONE)
        if self._family.kind not in kinds:
            raise TritonModelException(
                f"Failed to {verb} metric value: TRITONSERVER_METRIC_KIND_"
                f"{self._family.kind.upper()} does not support {operation}"
            )

    def __del__(self) -> None:
        worker = runtime.current_or_none()
        if worker is not None and not self._family.is_deleted:
            worker.control.send_from_finalizer({"op": "metric_delete", "metric": self._number})


class MetricFamily:
    """Metrics of one name, told apart by their labels."""

    COUNTER: Final = COUNTER
    GAUGE: Final = GAUGE
    HISTOGRAM: Final = HISTOGRAM

    def __init__(self, name: str, description: str, kind: str) -> None:
        if kind not in (COUNTER, GAUGE, HISTOGRAM):
            raise TritonModelException(f"Unknown metric kind: {kind}")
        message = {"op": "metric_family", "name": name, "description": description, "kind": kind}
        self._family = _Family(kind, int(runtime.current().call(message)))

    def Metric(self, labels: Any = None, buckets: Any = None) -> Metric:
        """Return the family's metric with `labels`, a dict; a histogram needs `buckets`, a list."""
        if labels is not None and not isinstance(labels, dict):
            raise TritonModelException("Failed to create metric. Labels must be a dictionary.")
        if buckets is not None and not isinstance(buckets, list):
            raise TritonModelException("Failed to create metric. Buckets must be a list.")
        is_histogram = self._family.kind == HISTOGRAM
        if buckets is not None and not is_histogram:
            raise TritonModelException("Failed to create metric. Unexpected buckets found.")
        if buckets is None and is_histogram:
            raise TritonModelException("Failed to create metric. Missing required buckets.")
        message = {
            "op": "metric",
            "family": self._family.number,
            "labels": {str(name): str(value) for name, value in (labels or {}).items()},
            "buckets": _floats(buckets),
        }
        return Metric(self._family, int(runtime.current().call(message)))

    def __del__(self) -> None:
        family = getattr(self, "_family", None)  # none if the constructor raised
        worker = runtime.current_or_none()
        if family is not None and worker is not None:
            family.is_deleted = True
            worker.control.send_from_finalizer({"op": "metric_delete", "family": family.number})


def _floats(values: Sequence[Any] | None) -> list[float] | None:
    return None if values is None else [float(value) for value in values]
