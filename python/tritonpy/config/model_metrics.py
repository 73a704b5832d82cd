"""`model_metrics`: what a config says of the server's own metrics of the model.

One family can be customised, as in Triton: the histogram of times to the first response.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import Final

from tritonpy.protos.model_config_pb2 import ModelConfig

FIRST_RESPONSE: Final = "nv_inference_first_response_histogram_ms"
_DEFAULT_BOUNDS_MS: Final = (100.0, 500.0, 2000.0, 5000.0)


def first_response_bounds_ms(config: ModelConfig) -> tuple[float, ...]:
    """Return the bounds of the histogram's buckets: the config's last word, or Triton's."""
    bounds: tuple[float, ...] = _DEFAULT_BOUNDS_MS
    for control in config.model_metrics.metric_control:
        if control.metric_identifier.family == FIRST_RESPONSE:
            bounds = tuple(control.histogram_options.buckets)
    return bounds


def metric_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with `model_metrics`."""
    for control in config.model_metrics.metric_control:
        if not control.HasField("metric_identifier"):
            yield "metric control must specify 'metric_identifier'"
        elif not control.metric_identifier.family:
            yield "metric identifier must specify non-empty 'family'"
        if not control.HasField("histogram_options"):
            yield "metric control must specify 'histogram_options'"
            continue
        buckets = list(control.histogram_options.buckets)
        if not buckets:
            yield "histogram options must specify non-empty 'buckets'"
        elif not all(low < high for low, high in pairwise((-inf, *buckets, inf))):
            yield f"histogram options must specify 'buckets' that ascend, got {buckets}"


def unknown_families(config: ModelConfig) -> Iterator[str]:
    """Yield Triton's warning for each family that is none of which buckets can be chosen."""
    for control in config.model_metrics.metric_control:
        family = control.metric_identifier.family
        if family != FIRST_RESPONSE:
            yield (
                f"Metric family '{family}' in 'metric_identifier' is not a customizable metric in "
                "Triton core."
            )
