"""Goal: a balancer that asks for a model's load gets it with the answer, in the form it asks for.

Method: the header made out of metrics pages; that it is sent is a matter of the generate routes.
"""

from __future__ import annotations

import pytest

from tritonpy.core import Log, LogSettings
from tritonpy.frontends.http.load_metrics import LoadMetrics

_ASKS = b"endpoint-load-metrics-format"
_PAGE = b"""# HELP nv_trt_llm_kv_cache_block_metrics Blocks
# TYPE nv_trt_llm_kv_cache_block_metrics gauge
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="used",model="m",version="1"} 25
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="m",version="1"} 100
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="tokens_per",model="m",version="1"} 64
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="other",version="1"} 7
nv_inference_count{model="m",version="1"} 3
"""


def _header(page: bytes | None, form: bytes | None, model: str = "m") -> dict[bytes, bytes]:
    log = Log()
    log.configure(LogSettings(error=False))
    metrics = LoadMetrics(None if page is None else lambda: page, log)
    return dict(metrics.header({} if form is None else {_ASKS: form}, model))


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (
            b"json",
            b'JSON {"named_metrics":{"kv_cache_utilization":0.25,"max_token_capacity":6400}}',
        ),
        (
            b"text",
            b"TEXT named_metrics.kv_cache_utilization=0.25, named_metrics.max_token_capacity=6400",
        ),
    ],
)
def test_load_is_said_in_either_form(form: bytes, value: bytes) -> None:
    assert _header(_PAGE, form) == {b"endpoint-load-metrics": value}


@pytest.mark.parametrize(
    ("page", "form", "model"),
    [
        (_PAGE, None, "m"),
        (_PAGE, b"xml", "m"),
        (_PAGE, b"", "m"),
        (_PAGE, b"json", "other"),
        (_PAGE.replace(b" 100", b" 0"), b"json", "m"),
        (b"", b"json", "m"),
        (None, b"json", "m"),
    ],
)
def test_without_all_numbers_or_a_known_form_there_is_no_header(
    page: bytes | None, form: bytes | None, model: str
) -> None:
    assert _header(page, form, model) == {}
