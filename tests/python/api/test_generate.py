"""Goal: the generate schema makes tensors of JSON and JSON of tensors, as its rules say.

Method: the two functions alone; what the core makes of their values is tested over sockets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritonpy.api import TensorMetadata
from tritonpy.api.generate import generate_answer, generate_request
from tritonpy.core import InferRequest, OutputTensor, StreamedResult
from tritonpy.errors import InternalError, InvalidArgError, TritonError

_LARGE = 1 << 30


def _request(
    body: str | dict[str, Any], *inputs: TensorMetadata, max_input_size: int = _LARGE
) -> InferRequest:
    text = body if isinstance(body, str) else json.dumps(body)
    return generate_request("m", 3, inputs, text.encode(), max_input_size)


def _tensor(data_type: str, *shape: int) -> TensorMetadata:
    return TensorMetadata("X", data_type, shape)


def _shape(count: int, *shape: int) -> tuple[int, ...]:
    return _request({"X": [0] * count}, _tensor("INT32", *shape)).inputs["X"].shape


def test_keys_are_tensors_id_and_parameters() -> None:
    body = {"X": "a", "id": "7", "b": True, "i": -1, "f": 0.5, "s": "t", "parameters": {"n": 2}}
    request = _request(body, _tensor("BYTES", -1, 1))
    assert (request.model, request.version, request.id) == ("m", 3, "7")
    assert request.inputs["X"].tolist() == [["a"]]
    assert request.parameters == {"b": True, "i": -1, "f": 0.5, "s": "t", "n": 2}
    assert [type(value) for value in request.parameters.values()] == [bool, int, float, str, int]


def test_members_of_parameters_may_be_tensors() -> None:
    request = _request({"parameters": {"X": [1, 2]}}, _tensor("INT64", -1))
    assert request.inputs["X"].tolist() == [1, 2]
    assert request.parameters == {}


def test_input_called_id_is_a_tensor() -> None:
    request = _request({"id": 5}, TensorMetadata("id", "INT32", (1,)))
    assert (request.id, request.inputs["id"].tolist()) == ("", [5])


def test_input_called_parameters_cannot_be_given() -> None:
    with pytest.raises(InvalidArgError) as raised:
        _request({"parameters": {}}, TensorMetadata("parameters", "INT32", (1,)))
    assert raised.value.message == (
        "Keyword 'parameters' for nested schema also given as input tensor name"
    )


def test_parameter_named_parameters_inside_parameters_is_no_schema() -> None:
    with pytest.raises(InvalidArgError) as raised:
        _request({"parameters": {"parameters": {}}})
    assert raised.value.message == (
        "Converting keyword: 'parameters': parameter 'parameters' has invalid type. It should be "
        "either 'int', 'bool', or 'string'."
    )


def test_error_inside_parameters_keeps_its_code() -> None:
    with pytest.raises(InternalError) as raised:
        _request({"parameters": {"X": 1}}, _tensor("BYTES", 1))
    assert raised.value.message == (
        "Converting keyword: 'parameters': attempt to access JSON non-string as string"
    )


def test_first_wrong_key_decides() -> None:
    for first, second in (("p", "q"), ("q", "p")):
        with pytest.raises(InvalidArgError, match=f"parameter '{first}' has invalid type"):
            _request({first: None, second: None})


@pytest.mark.parametrize(
    ("count", "shape", "fitted"),
    [
        (1, (), ()),
        (1, (1,), (1,)),
        (5, (-1,), (5,)),
        (0, (-1,), (0,)),
        (5, (-1, -1), (1, 5)),
        (0, (-1, -1), (1, 0)),
        (6, (-1, 3), (2, 3)),  # only the batch dimension is left to take the rest
        (12, (-1, -1, 2, -1, 3), (1, 1, 2, 2, 3)),
        (6, (2, 3), (2, 3)),
    ],
)
def test_shape_takes_the_elements(
    count: int, shape: tuple[int, ...], fitted: tuple[int, ...]
) -> None:
    assert _shape(count, *shape) == fitted


@pytest.mark.parametrize(
    ("count", "shape"), [(2, ()), (2, (1,)), (0, (1,)), (5, (2, -1)), (12, (2, 3)), (3, (2, 3))]
)
def test_elements_that_fit_no_shape_are_refused(count: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgError) as raised:
        _shape(count, *shape)
    assert raised.value.message == (
        "The schema can not convert input 'X' to tensor with proper shape"
    )


@given(st.integers(0, 60), st.lists(st.sampled_from((-1, 1, 2, 3, 5)), max_size=5))
def test_fitted_shape_fits_both_the_model_and_the_elements(count: int, dims: list[int]) -> None:
    try:
        fitted = _shape(count, *dims)
    except InvalidArgError:
        fixed = math.prod(dim for dim in dims if dim > 0)
        assert count % fixed or (-1 not in dims and count != fixed)
        return
    assert math.prod(fitted) == count
    assert all(dim in (-1, made) for dim, made in zip(dims, fitted, strict=True))
    assert len([made for dim, made in zip(dims, fitted, strict=True) if dim < 0 < made != 1]) <= 1


@given(
    st.sampled_from(("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")),
    st.integers(-(2**65), 2**65),
)
def test_integer_is_cut_to_its_type_or_refused_when_json_has_no_such(kind: str, value: int) -> None:
    unsigned = kind.startswith("U")
    low, high = (0, 2**64) if unsigned else (-(2**63), 2**63)
    if not low <= value < high:
        with pytest.raises(InternalError, match="attempt to access JSON non-"):
            _request({"X": value}, _tensor(kind, 1))
        return
    made = _request({"X": value}, _tensor(kind, 1)).inputs["X"]
    bits = int(kind.removeprefix("U").removeprefix("INT"))
    assert (made.item() - value) % 2**bits == 0
    assert made.dtype == np.dtype(kind.lower())


@given(st.one_of(st.floats(), st.integers(-(2**70), 2**70)))
def test_number_becomes_the_nearest_of_its_type(value: float) -> None:
    for kind, dtype in (("FP32", np.float32), ("FP64", np.float64)):
        made = _request({"X": value}, _tensor(kind, 1)).inputs["X"]
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(made, np.array([float(value)]).astype(dtype))


@pytest.mark.parametrize("data_type", ["FP16", "BF16"])
def test_types_without_a_json_form_are_refused_both_ways(data_type: str) -> None:
    with pytest.raises(InvalidArgError, match=f"input 'X' has unsupported datatype '{data_type}'"):
        _request({"X": 1}, _tensor(data_type, 1))
    with pytest.raises(InvalidArgError) as raised:
        generate_answer("", _result(("Y", data_type, [1])))
    assert raised.value.message == (
        f"sending {data_type} data via JSON is not supported. "
        "Please use the binary data format for output Y"
    )


def test_all_tensors_count_towards_the_bound() -> None:
    inputs = _tensor("BYTES", -1), TensorMetadata("Z", "FP64", (-1,))
    body = {"X": ["abc", ""], "Z": [1.0]}
    assert len(_request(body, *inputs, max_input_size=19).inputs) == 2
    with pytest.raises(InvalidArgError) as raised:
        _request(body, *inputs, max_input_size=18)
    assert raised.value.message == (
        "request size of 19 bytes with input 'Z' of size 8 bytes exceeds the maximum allowed input "
        "size of 18. Use --http-max-input-size to increase the limit."
    )


def test_parameters_are_bounded() -> None:
    assert len(_request({str(number): 1 for number in range(1024)}).parameters) == 1024
    with pytest.raises(InvalidArgError, match="at most 1024"):
        _request({str(number): 1 for number in range(1025)})


@pytest.mark.parametrize(("text", "place"), [("Inf", 0), ('{"TEXT": -Inf}', 9)])
def test_infinity_cannot_be_cut_short(text: str, place: int) -> None:
    message = f"failed to parse the request JSON buffer: Invalid value. at {place}"
    with pytest.raises(InternalError, match=message):
        _request(text)


@given(st.text())
def test_text_that_is_no_request_is_an_error(text: str) -> None:
    try:
        json_value = json.loads(text)
    except ValueError:
        json_value = None
    if not isinstance(json_value, dict):
        with pytest.raises(TritonError):
            _request(text)


def _result(
    *outputs: tuple[str, str, Sequence[Any]], parameters: dict[str, Any] | None = None
) -> StreamedResult:
    dtypes = {"BYTES": np.object_, "FP32": np.float32, "BOOL": np.bool_, "BF16": np.uint16}
    tensors = tuple(
        OutputTensor(name, kind, np.array(values, dtypes.get(kind, np.float64)))
        for name, kind, values in outputs
    )
    return StreamedResult("m", 4, parameters or {}, tensors)


def test_answer_is_flat_and_in_order() -> None:
    result = _result(
        ("ONE", "BYTES", [["é".encode()]]),
        ("MANY", "FP32", [[0.1, 2], [3, float("inf")]]),
        ("NONE", "BOOL", []),
        ("SCALAR", "BOOL", True),  # type: ignore[arg-type]  # a tensor without dimensions
        parameters={"p": 1.5, "q": False},
    )
    assert generate_answer("7", result).decode() == (
        '{"id":"7","model_name":"m","model_version":"4","p":1.5,"q":false,"ONE":"é",'
        '"MANY":[0.1,2.0,3.0,Infinity],"NONE":[],"SCALAR":true}'
    )


def test_answer_is_one_line() -> None:
    assert b"\n" not in generate_answer("a\nb", _result(("Y", "BYTES", [b"c\nd\r\n"])))


def test_bytes_that_are_no_text_have_no_json_form() -> None:
    with pytest.raises(InvalidArgError) as raised:
        generate_answer("", _result(("Y", "BYTES", [b"\xff"])))
    assert raised.value.message == (
        "sending BYTES data that is not UTF-8 via JSON is not supported. "
        "Please use the binary data format for output Y"
    )
