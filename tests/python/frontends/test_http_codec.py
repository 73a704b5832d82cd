"""Goal: the control plane's JSON is V2's, both ways.

Method: values of the service against the JSON they must become, requests against what they mean.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.python.api.fakes import COUNTERS
from tritonpy.api import Settings, VersionStatistics
from tritonpy.errors import InternalError, InvalidArgError, TritonError
from tritonpy.frontends.http import codec
from tritonpy.repository import IndexEntry, ModelState


def test_statistics_have_every_member_in_order() -> None:
    (stats,) = codec.statistics_json([VersionStatistics("m", 2, COUNTERS)])["model_stats"]
    assert list(stats) == [
        "name",
        "version",
        "last_inference",
        "inference_count",
        "execution_count",
        "inference_stats",
        "response_stats",
        "batch_stats",
        "memory_usage",
    ]
    assert stats["version"] == "2"
    assert stats["inference_stats"]["success"] == {"count": 5, "ns": 50_999}
    assert stats["inference_stats"]["cache_hit"] == {"count": 2, "ns": 6_000}
    assert stats["batch_stats"][0]["batch_size"] == 2
    assert stats["batch_stats"][0]["compute_infer"] == {"count": 1, "ns": 12}


def test_index_leaves_out_what_an_entry_does_not_have() -> None:
    entries = [
        IndexEntry("a", 1, ModelState.READY),
        IndexEntry("b", 2, ModelState.UNAVAILABLE, "unloaded"),
        IndexEntry("c"),
    ]
    assert codec.index_json(entries) == [
        {"name": "a", "version": "1", "state": "READY"},
        {"name": "b", "version": "2", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "c"},
    ]


def test_settings_keep_lists_and_types() -> None:
    settings = Settings({"levels": ("OFF",), "flag": True, "number": 3, "text": "a"})
    assert codec.settings_json(settings) == {
        "levels": ["OFF"],
        "flag": True,
        "number": 3,
        "text": "a",
    }


@pytest.mark.parametrize(
    ("body", "ready"), [(b"", False), (b"{}", False), (b'{"ready":true}', True)]
)
def test_index_request_may_be_empty(body: bytes, ready: bool) -> None:
    assert codec.parse_index_request(body) is ready


def test_load_parameters_are_read_and_files_decoded() -> None:
    body = b'{"parameters": {"config": "{}", "file:1/a": "AAE=", "unload_dependents": true}}'
    assert codec.parse_load_parameters(body) == {
        "config": "{}",
        "file:1/a": b"\0\1",
        "unload_dependents": True,
    }
    assert codec.parse_load_parameters(b"") == {}


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (b"{", InternalError, "failed to parse the request JSON buffer"),
        (b'{"a":"\xff"}', InternalError, "failed to parse the request JSON buffer"),
        (b"[" * 100_000, InvalidArgError, "JSON nesting depth exceeds maximum allowed limit (100)"),
        (b"9" * 5000, InternalError, "failed to parse the request JSON buffer"),
        (b"[]", InvalidArgError, "the request must be a JSON object"),
        (b'{"parameters": []}', InvalidArgError, "'parameters' must be a JSON object"),
        (b'{"parameters": {"file:a": 1}}', InvalidArgError, "base64"),
        (b'{"parameters": {"file:a": "?"}}', InvalidArgError, "base64"),
        (b'{"parameters": {"x": null}}', InvalidArgError, "parameter 'x' has invalid type"),
    ],
)
def test_bad_request_is_explained(body: bytes, error: type[TritonError], text: str) -> None:
    with pytest.raises(error) as raised:
        codec.parse_load_parameters(body)
    assert text in raised.value.message


def test_ready_must_be_a_boolean() -> None:
    with pytest.raises(InvalidArgError, match=r"^Invalid value for 'ready': expected a boolean$"):
        codec.parse_index_request(b'{"ready": "yes"}')


@given(st.binary(max_size=100))
def test_no_request_raises_anything_but_errors_of_ours(body: bytes) -> None:
    for parse in (codec.parse_index_request, codec.parse_load_parameters):
        try:
            result: Any = parse(body)
        except TritonError:
            continue
        assert isinstance(result, (bool, dict))
