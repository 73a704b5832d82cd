"""How loaded a model is, as a response header for balancers that ask for it.

The numbers are those of a metric family that language models report: blocks of their key-value
cache in use and at most, and tokens in a block.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from tritonpy.core import Log

_ASKED_BY: Final = b"endpoint-load-metrics-format"
_HEADER: Final = b"endpoint-load-metrics"
_FAMILY: Final = "nv_trt_llm_kv_cache_block_metrics"
_KIND: Final = "kv_cache_block_type"
_SAMPLE: Final = re.compile(rf"^{_FAMILY}\{{(.*)\}} (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class LoadMetrics:
    """Makes the header out of the metrics page. Thread-safe."""

    def __init__(self, render_metrics: Callable[[], bytes] | None, log: Log) -> None:
        """Without `render_metrics` there are no metrics, and no header."""
        self._render_metrics = render_metrics
        self._log = log

    def header(self, headers: Mapping[bytes, bytes], model: str) -> list[tuple[bytes, bytes]]:
        """Return the header for a request with such headers; none when it asks for none.

        A form that nobody knows is logged, and gets none.
        """
        form = headers.get(_ASKED_BY)
        if form is None or self._render_metrics is None:
            return []
        if form not in (b"json", b"text"):
            asked = form.decode("latin-1")
            self._log.error(f"{_ASKED_BY.decode()}: expected 'json' or 'text', got '{asked}'")
            return []
        blocks = _blocks(self._render_metrics().decode(), model)
        used, most, tokens = (blocks.get(kind) for kind in ("used", "max", "tokens_per"))
        if used is None or not most or tokens is None:
            return []
        named = {
            "kv_cache_utilization": used / most,
            "max_token_capacity": int(most * tokens),
        }
        if form == b"json":
            value = "JSON " + json.dumps({"named_metrics": named}, separators=(",", ":"))
        else:
            value = "TEXT " + ", ".join(
                f"named_metrics.{key}={each}" for key, each in named.items()
            )
        return [(_HEADER, value.encode())]


def _blocks(page: str, model: str) -> dict[str, float]:
    """Return the samples of the family by kind, those of other models left out."""
    blocks = {}
    for labels_text, value in _SAMPLE.findall(page):
        labels = dict(_LABEL.findall(labels_text))
        if labels.get("model", model) == model and _KIND in labels:
            blocks[labels[_KIND]] = float(value)
    return blocks
