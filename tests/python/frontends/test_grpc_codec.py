"""Goal: the service's values are V2's messages, and what is no message is refused.

Method: messages compared with what went in.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.python.api.fakes import COUNTERS
from tritonpy.api import ModelMetadata, Settings, TensorMetadata, VersionStatistics
from tritonpy.errors import ErrorCode, InvalidArgError
from tritonpy.frontends.grpc import codec
from tritonpy.frontends.grpc.status import STATUS_OF_CODE, detail_of
from tritonpy.protos import grpc_service_pb2 as v2
from tritonpy.repository import IndexEntry, ModelState


def test_every_code_has_a_status_of_its_own() -> None:
    assert set(STATUS_OF_CODE) == set(ErrorCode)
    assert len(set(STATUS_OF_CODE.values())) == len(ErrorCode)


def test_metadata_message_has_everything() -> None:
    tensor = TensorMetadata("IN", "BYTES", (-1, 3))
    message = codec.model_metadata_message(ModelMetadata("m", (1, 3), "onnx", (tensor,), ()))
    assert (message.name, list(message.versions), message.platform) == ("m", ["1", "3"], "onnx")
    assert message.inputs[0].name == "IN"
    assert message.inputs[0].datatype == "BYTES"
    assert list(message.inputs[0].shape) == [-1, 3]


def test_statistics_message_has_every_counter() -> None:
    message = codec.statistics_message([VersionStatistics("m", 2, COUNTERS)])
    (stats,) = message.model_stats
    assert (stats.name, stats.version, stats.last_inference) == ("m", "2", 1234)
    assert (stats.inference_count, stats.execution_count) == (7, 3)
    assert (stats.inference_stats.fail.count, stats.inference_stats.fail.ns) == (1, 10)
    assert (stats.inference_stats.cache_hit.count, stats.inference_stats.cache_hit.ns) == (2, 6_000)
    assert (stats.inference_stats.cache_miss.count, stats.inference_stats.cache_miss.ns) == (
        3,
        7_000,
    )
    assert stats.batch_stats[0].batch_size == 2
    assert stats.batch_stats[0].compute_output.ns == 13


def test_index_message_leaves_empty_what_an_entry_does_not_have() -> None:
    message = codec.index_message([IndexEntry("a", 1, ModelState.READY), IndexEntry("b")])
    assert [(model.name, model.version, model.state) for model in message.models] == [
        ("a", "1", "READY"),
        ("b", "", ""),
    ]


def test_settings_messages_keep_types() -> None:
    trace = codec.trace_settings_message(Settings({"trace_level": ("OFF",), "trace_rate": "7"}))
    assert list(trace.settings["trace_level"].value) == ["OFF"]
    assert list(trace.settings["trace_rate"].value) == ["7"]
    log = codec.log_settings_message(Settings({"a": True, "b": 2, "c": "x"}))
    assert log.settings["a"].bool_param is True
    assert log.settings["b"].uint32_param == 2
    assert log.settings["c"].string_param == "x"


def test_load_and_unload_parameters_are_checked() -> None:
    text = v2.ModelRepositoryParameter(string_param="{}")
    data = v2.ModelRepositoryParameter(bytes_param=b"\0")
    flag = v2.ModelRepositoryParameter(bool_param=True)
    assert codec.parse_load_parameters({"config": text, "file:a": data}) == {
        "config": "{}",
        "file:a": b"\0",
    }
    assert codec.parse_unload_parameters({"unload_dependents": flag}) == {"unload_dependents": True}
    for parse, name, value, expected in (
        (codec.parse_load_parameters, "config", flag, "expected string_param."),
        (codec.parse_load_parameters, "file:a", text, "expected bytes_param."),
        (codec.parse_load_parameters, "other", text, "unrecognized load parameter 'other'."),
        (codec.parse_unload_parameters, "unload_dependents", text, "expected bool_param."),
        (codec.parse_unload_parameters, "config", text, "unrecognized unload parameter 'config'."),
        (codec.parse_load_parameters, "config", v2.ModelRepositoryParameter(), "string_param."),
    ):
        with pytest.raises(InvalidArgError) as error:
            parse({name: value})
        assert error.value.message.endswith(expected)


def test_bytes_that_are_no_message_are_invalid() -> None:
    with pytest.raises(InvalidArgError, match=r"^failed to parse ServerLiveRequest: ."):
        codec.parse_message(v2.ServerLiveRequest, b"\xff\xff")


def test_stream_error_names_its_request() -> None:
    request = v2.ModelInferRequest(model_name="m", id="mine").SerializeToString()
    answer = codec.stream_error("bad", codec.request_id_of(request))
    message = v2.ModelStreamInferResponse.FromString(answer)
    assert (message.error_message, message.infer_response.id) == ("bad", "mine")
    assert codec.request_id_of(b"\xff\xff") == ""


@given(
    st.text(max_size=3000) | st.builds(lambda text: text * 400, st.text(min_size=1, max_size=30))
)
def test_detail_fits_into_what_clients_accept(text: str) -> None:
    detail = detail_of(text)
    encoded = detail.encode("utf-8", "replace")
    size = sum(1 if 0x20 <= byte < 0x7F and byte != ord("%") else 3 for byte in encoded)
    assert size <= 8000
    assert detail == text or text.startswith(detail.removesuffix("..."))
