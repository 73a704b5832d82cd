"""Goal: bad HTTP requests get the right status and a text that names what was wrong.

Method: a table of requests; after each of them a valid one must succeed.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conformance.raw_http import binary_input, infer, json_input
from tests.conformance.running_server import RunningServer

_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True)
class HttpCase:
    """One bad request and what must be said about it (a part of the text)."""

    name: str
    body: Any
    text: str
    status: int = 400
    model: str = "identity_fp32"
    headers: dict[str, str] = field(default_factory=dict)


def _inputs(*inputs: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"inputs": list(inputs), **members}


def _framed(head: dict[str, Any], data: bytes = b"", length: int | str | None = None) -> Any:
    text = json.dumps(head).encode()
    return {"body": text + data, "headers": {_LENGTH: str(len(text) if length is None else length)}}


_OK_INPUT = json_input([1, 2])
_HTTP_CASES = (
    HttpCase("empty_body", b"", "failed to parse the request JSON buffer", 500),
    HttpCase("no_json", b"{]", "failed to parse the request JSON buffer", 500),
    HttpCase("cut_off_json", b'{"inputs":[{"name"', "failed to parse the request JSON", 500),
    HttpCase("deep_array", b"[" * 10_000, "JSON nesting depth exceeds maximum allowed limit (100)"),
    HttpCase(
        "deep_object",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "JSON nesting depth exceeds maximum allowed limit (100)",
    ),
    HttpCase("no_inputs_member", {}, "attempt to access non-existing object member 'inputs'", 500),
    HttpCase("array_body", b"[]", "", 500),
    HttpCase("not_utf8", b'{"inputs":[{"name":"\xff"}]}', "", 0),
    HttpCase(
        "no_inputs", _inputs(), "expected 1 inputs but got 0 inputs for model 'identity_fp32'"
    ),
    HttpCase(
        "unknown_input",
        _inputs(_OK_INPUT, json_input([1, 2], name="WRONG")),
        "model 'identity_fp32'",
    ),
    HttpCase(
        "duplicate_input", _inputs(_OK_INPUT, _OK_INPUT), "input 'INPUT0' already exists in request"
    ),
    HttpCase(
        "unknown_output",
        _inputs(_OK_INPUT, outputs=[{"name": "NOPE"}]),
        "unexpected inference output 'NOPE' for model 'identity_fp32'",
    ),
    HttpCase(
        "duplicate_output",
        _inputs(_OK_INPUT, outputs=[{"name": "OUTPUT0"}, {"name": "OUTPUT0"}]),
        "output 'OUTPUT0' already exists in request",
    ),
    HttpCase(
        "wrong_type",
        _inputs(json_input([1, 2], datatype="INT32")),
        "data-type is 'INT32', but model 'identity_fp32' expects 'FP32'",
    ),
    HttpCase(
        "unknown_type",
        _inputs(json_input([1, 2], datatype="FP99")),
        "inference input 'INPUT0' data-type is '<invalid>', but model 'identity_fp32' expects "
        "'FP32'",
    ),
    HttpCase(
        "wrong_shape",
        _inputs(json_input([1] * 3, [1, 3])),
        "unexpected shape for input 'INPUT0' for model 'fixed'. Expected [-1,4], got [1,3]",
        model="fixed",
    ),
    HttpCase(
        "batch_too_large",
        _inputs(json_input([1] * 9, [9, 1])),
        "inference request batch-size must be <= 8 for 'identity_fp32'",
    ),
    HttpCase(
        "negative_dimension",
        _inputs(json_input([1, 2], [-1, 2])),
        "attempt to access JSON non-unsigned-integer as unsigned-integer",
        500,
    ),
    HttpCase(
        "too_many_elements",
        _inputs(json_input([1], [2**62, 2**62])),
        "causes total element count to exceed maximum size of 9223372036854775807",
    ),
    HttpCase("shape_of_text", _inputs({**_OK_INPUT, "shape": "12"}), "shape", 500),
    HttpCase("data_missing", _inputs({**_OK_INPUT, "data": [1]}), "true shape", 500),
    HttpCase(
        "data_left_over",
        _inputs({**_OK_INPUT, "data": [1, 2, 3]}),
        "Shape does not match true shape of 'data' field",
        500,
    ),
    HttpCase("data_of_wrong_kind", _inputs({**_OK_INPUT, "data": ["a", "b"]}), "", 500),
    HttpCase(
        "no_source",
        _inputs({"name": "INPUT0", "shape": [1, 2], "datatype": "FP32"}),
        "Input must set only one of the following fields",
    ),
    HttpCase(
        "two_sources",
        _inputs({**_OK_INPUT, "parameters": {"binary_data_size": 8}}),
        "Input must set only one of the following fields",
    ),
    HttpCase(
        "fp16_in_json",
        _inputs(json_input([1, 2], datatype="FP16")),
        "receiving FP16 data via JSON is not supported",
        model="identity_fp16",
    ),
    HttpCase(
        "binary_without_length",
        _inputs(binary_input(8)),
        "must specify valid 'Infer-Header-Content-Length' in request header",
    ),
    HttpCase(
        "binary_cut_off",
        text="unexpected size for input 'INPUT0', expecting 4 additional bytes",
        **_framed(_inputs(binary_input(8)), bytes(4)),
    ),
    HttpCase(
        "binary_left_over",
        text="unexpected additional input data for model 'identity_fp32'",
        **_framed(_inputs(binary_input(8)), bytes(9)),
    ),
    HttpCase(
        "binary_of_wrong_size",
        text="input byte size mismatch for input 'INPUT0' for model 'identity_fp32'. "
        "Expected 8, got 12",
        **_framed(_inputs(binary_input(12)), bytes(12)),
    ),
    HttpCase(
        "binary_size_of_2_to_63",
        text="",
        status=0,
        **_framed(_inputs(binary_input(2**63)), bytes(8)),
    ),
    HttpCase(
        "length_beyond_body",
        text="inference header size should be in range (0, 2), got: 3",
        body=b"{}",
        headers={_LENGTH: "3"},
    ),
    HttpCase(
        "length_negative",
        text="inference header size should be in range (0, 2), got: -1",
        body=b"{}",
        headers={_LENGTH: "-1"},
    ),
    HttpCase(
        "length_no_number",
        text="Unable to parse Inference-Header-Content-Length, got: many",
        body=b"{}",
        headers={_LENGTH: "many"},
    ),
    HttpCase(
        "length_out_of_range",
        text="value is out of range [ -2147483648, 2147483647 ], got: 99999999999",
        body=b"{}",
        headers={_LENGTH: "99999999999"},
    ),
    HttpCase(
        "string_length_lies",
        text="",
        model="identity_bytes",
        **_framed(
            _inputs(binary_input(8, [1, 1], "BYTES")), struct.pack("<I", 4_000_000_000) + b"abcd"
        ),
    ),
    HttpCase(
        "string_length_cut_off",
        text="incomplete string length indicator for inference input 'INPUT0'",
        model="identity_bytes",
        **_framed(_inputs(binary_input(2, [1, 1], "BYTES")), b"ab"),
    ),
    HttpCase(
        "too_few_strings",
        text="expected 2 string elements for inference input 'INPUT0' for model 'identity_bytes'",
        model="identity_bytes",
        **_framed(_inputs(binary_input(5, [1, 2], "BYTES")), struct.pack("<I", 1) + b"a"),
    ),
    HttpCase(
        "raw_for_two_inputs",
        text="Raw request must only have 1 input (found 1) to be deduced but got 2 inputs",
        model="two_inputs",
        body=bytes(8),
        headers={_LENGTH: "0"},
    ),
    HttpCase(
        "reserved_parameter",
        _inputs(_OK_INPUT, parameters={"triton_x": 1}),
        "parameter keys starting with 'triton_' are reserved for Triton usage",
    ),
    HttpCase(
        "parameter_of_wrong_kind",
        _inputs(_OK_INPUT, parameters={"mine": []}),
        "parameter 'mine' has invalid type. It should be either 'int', 'bool', or 'string'.",
    ),
    HttpCase(
        "classification_of_strings",
        _inputs(
            json_input(["a", "b"], datatype="BYTES"),
            outputs=[{"name": "OUTPUT0", "parameters": {"classification": 1}}],
        ),
        "class result not available for output due to unsupported type 'BYTES'",
        model="identity_bytes",
    ),
    HttpCase(
        "unknown_model",
        _inputs(_OK_INPUT),
        "Request for unknown model: 'nobody' is not found",
        404,
        "nobody",
    ),
    HttpCase(
        "unknown_version",
        _inputs(_OK_INPUT),
        "Request for unknown model: 'fixed' version 9 is not found",
        404,
        "fixed/versions/9",
    ),
    HttpCase(
        "version_beyond_any_number",
        _inputs(_OK_INPUT),
        "version should be an integral value > 0",
        400,
        "fixed/versions/" + "9" * 40,
    ),
)


@pytest.mark.parametrize("case", _HTTP_CASES, ids=lambda case: case.name)
def test_bad_http_request_is_explained_and_survived(server: RunningServer, case: HttpCase) -> None:
    answer = infer(server.http_port, case.model, case.body, case.headers)
    assert 400 <= answer.status < 600
    if case.status:
        assert (answer.status, answer.error) == (case.status, answer.error)
    assert answer.error
    assert case.text in answer.error
    valid = infer(server.http_port, "identity_fp32", _inputs(_OK_INPUT))
    assert valid.json["outputs"][0]["data"] == [1.0, 2.0]
