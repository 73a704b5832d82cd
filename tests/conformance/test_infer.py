"""Goal: an unmodified client gets right answers, whatever it sends and however it asks.

Method: identity models return what they got, so every type, shape and encoding can be compared with
what was sent; add_sub is computed by hand. Both protocols run every case.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.conformance.clients import Array, Client, strings, wire_type_of
from tests.conformance.model_files import NUMERIC_TYPES

_DTYPES = {
    "BOOL": np.dtype("?"),
    "FP16": np.dtype("float16"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "FP32": np.dtype("float32"),
    "FP64": np.dtype("float64"),
}


def _sample(wire_type: str, shape: tuple[int, ...]) -> Array:
    """Return small numbers, and the extremes of integer types."""
    dtype = _DTYPES.get(wire_type) or np.dtype(wire_type.lower())
    count = int(np.prod(shape))
    values = np.arange(count).astype(dtype)
    if dtype.kind in "iu" and count >= 2:
        values[:2] = np.iinfo(dtype).min, np.iinfo(dtype).max
    return values.reshape(shape)


@pytest.mark.parametrize("wire_type", NUMERIC_TYPES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 0)])
def test_every_numeric_type_comes_back(
    client: Client, wire_type: str, shape: tuple[int, ...]
) -> None:
    sent = _sample(wire_type, shape)
    tensor = client.tensor("INPUT0", sent, wire_type)
    result = client.infer(f"identity_{wire_type.lower()}", [tensor])
    received = result.as_numpy("OUTPUT0")
    assert received.shape == shape
    np.testing.assert_array_equal(received.astype(sent.dtype), sent)


def test_bytes_come_back_whatever_they_hold(client: Client) -> None:
    sent = strings("plain", "", "zero \0 inside", "é und 漢字", b"\xff\xfe no text", "x" * 70_000)
    for model in ("identity_bytes", "string_identity"):
        data = sent if model == "identity_bytes" else strings("a", "", "é")
        received = client.infer(model, {"INPUT0": data}).as_numpy("OUTPUT0")
        assert received.tolist() == data.tolist()


def test_batch_of_bytes_keeps_its_shape(client: Client) -> None:
    sent = np.array([[b"a", b"bb"], [b"", b"dddd"], [b"e", b"f"]], dtype=np.object_)
    assert client.infer("identity_bytes", {"INPUT0": sent}).as_numpy("OUTPUT0").tolist() == (
        sent.tolist()
    )


def test_onnx_model_computes(client: Client) -> None:
    left = np.arange(32, dtype=np.float32).reshape(2, 16)
    right = np.full((2, 16), 0.5, np.float32)
    result = client.infer("add_sub", {"INPUT0": left, "INPUT1": right})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), left + right)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), left - right)


def test_requested_outputs_alone_are_returned(client: Client) -> None:
    data = np.ones((1, 16), np.float32)
    outputs = [client.output("OUTPUT1")]
    result = client.infer("add_sub", {"INPUT0": data, "INPUT1": data}, outputs)
    assert result.as_numpy("OUTPUT0") is None
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), np.zeros((1, 16), np.float32))


def test_inputs_may_come_in_any_order(client: Client) -> None:
    left, right = np.full((1, 16), 5, np.float32), np.full((1, 16), 3, np.float32)
    result = client.infer("add_sub", {"INPUT1": right, "INPUT0": left})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), left - right)


def test_model_without_batching_takes_its_exact_shape(client: Client) -> None:
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    result = client.infer("unbatched", {"INPUT0": data})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)
    empty = np.zeros((0, 7), np.int64)
    assert client.infer("any_shape", {"INPUT0": empty}).as_numpy("OUTPUT0").shape == (0, 7)


def test_response_carries_id_model_and_version(client: Client) -> None:
    data = np.ones((1, 1), np.int32)
    response = client.response(client.infer("versions", {"INPUT0": data}, request_id="my id"))
    assert response["id"] == "my id"
    assert response["model_name"] == "versions"
    assert response["model_version"] == "3"


def test_version_can_be_chosen(client: Client) -> None:
    data = np.ones((1, 1), np.int32)
    result = client.infer("versions", {"INPUT0": data}, model_version="1")
    assert client.response(result)["model_version"] == "1"


def test_request_parameters_of_every_kind_are_taken(client: Client) -> None:
    data = np.ones((1, 1), np.int32)
    parameters: dict[str, Any] = {"text": "a", "number": 5, "flag": True}
    result = client.infer("versions", {"INPUT0": data}, parameters=parameters)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)


def test_response_parameters_of_a_model_arrive(client: Client) -> None:
    data = np.ones((1, 1), np.int32)
    parameters = client.response(client.infer("versions", {"INPUT0": data}))["parameters"]
    assert parameters["param0"] == "an example string parameter"
    assert parameters["param1"] == 42
    assert parameters["param2"] is False
    assert parameters["param3"] == pytest.approx(123.123)


def test_classification_ranks_values_with_labels(client: Client) -> None:
    data = np.array([[0.5, 4, -1, 2], [9, 8, 7, 6]], np.float32)
    outputs = [client.output("OUTPUT0", class_count=2)]
    result = client.infer("classes", {"INPUT0": data}, outputs).as_numpy("OUTPUT0")
    assert result.tolist() == [
        [b"4.000000:1:one", b"2.000000:3:three"],
        [b"9.000000:0:zero", b"8.000000:1:one"],
    ]


def test_classification_of_more_classes_than_there_are_returns_all(client: Client) -> None:
    data = np.array([[3, 1, 2]], np.int32)
    outputs = [client.output("OUTPUT0", class_count=10)]
    result = client.infer("identity_int32", {"INPUT0": data}, outputs).as_numpy("OUTPUT0")
    assert result.tolist() == [[b"3:0", b"2:2", b"1:1"]]


def test_not_a_number_and_infinities_survive(client: Client) -> None:
    data = np.array([[np.nan, np.inf, -np.inf, -0.0]], np.float32)
    result = client.infer("identity_fp32", {"INPUT0": data}).as_numpy("OUTPUT0")
    np.testing.assert_array_equal(result, data)


def test_large_tensor_comes_back(client: Client) -> None:
    data = np.random.default_rng(7).random((4, 1_000_000), np.float32)
    result = client.infer("identity_fp32", {"INPUT0": data}).as_numpy("OUTPUT0")
    np.testing.assert_array_equal(result, data)


@pytest.mark.parametrize("binary_input", [True, False])
@pytest.mark.parametrize("binary_output", [True, False])
def test_http_json_and_binary_mix(http: Any, binary_input: bool, binary_output: bool) -> None:
    import tritonclient.http as httpclient

    numbers = np.array([[1.5, -2.25]], np.float32)
    texts = strings("a", "é", "")
    for first, second in ((binary_input, not binary_input), (binary_input, binary_input)):
        inputs = [
            httpclient.InferInput("INPUT0", [1, 2], "FP32"),
            httpclient.InferInput("INPUT1", [1, 3], "BYTES"),
        ]
        inputs[0].set_data_from_numpy(numbers, binary_data=first)
        inputs[1].set_data_from_numpy(texts, binary_data=second)
        outputs = [
            httpclient.InferRequestedOutput("OUTPUT0", binary_data=binary_output),
            httpclient.InferRequestedOutput("OUTPUT1", binary_data=not binary_output),
        ]
        result = http.infer("two_inputs", inputs, outputs=outputs)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), numbers)
        received = [
            item if isinstance(item, bytes) else item.encode()
            for item in result.as_numpy("OUTPUT1").ravel()
        ]
        assert received == texts.ravel().tolist()


@pytest.mark.parametrize(
    "wire_type", [kind for kind in NUMERIC_TYPES if kind not in ("FP16", "BF16")]
)
def test_http_json_carries_every_type_that_json_has(http: Any, wire_type: str) -> None:
    import tritonclient.http as httpclient

    sent = _sample(wire_type, (2, 4))
    tensor = httpclient.InferInput("INPUT0", [2, 4], wire_type_of(sent))
    tensor.set_data_from_numpy(sent, binary_data=False)
    outputs = [httpclient.InferRequestedOutput("OUTPUT0", binary_data=False)]
    result = http.infer(f"identity_{wire_type.lower()}", [tensor], outputs=outputs)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), sent)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_http_bodies_may_be_compressed_both_ways(http: Any, algorithm: str) -> None:
    import tritonclient.http as httpclient

    data = np.zeros((4, 100_000), np.float32)
    tensor = httpclient.InferInput("INPUT0", [4, 100_000], "FP32")
    tensor.set_data_from_numpy(data)
    result = http.infer(
        "identity_fp32",
        [tensor],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_grpc_requests_may_be_compressed(grpc: Any, algorithm: str) -> None:
    import tritonclient.grpc as grpcclient

    tensor = grpcclient.InferInput("INPUT0", [1, 1000], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 1000), np.float32))
    result = grpc.infer("identity_fp32", [tensor], compression_algorithm=algorithm)
    assert result.as_numpy("OUTPUT0").sum() == 1000


def test_many_requests_at_once_get_their_own_answers(client: Client) -> None:
    asynchronous = [
        client.infer("identity_int32", {"INPUT0": np.full((1, 3), number, np.int32)})
        for number in range(50)
    ]
    for number, result in enumerate(asynchronous):
        assert result.as_numpy("OUTPUT0").tolist() == [[number] * 3]


def test_http_async_requests_overlap(http: Any) -> None:
    import tritonclient.http as httpclient

    def request(number: int) -> Any:
        tensor = httpclient.InferInput("INPUT0", [1, 2], "INT32")
        tensor.set_data_from_numpy(np.full((1, 2), number, np.int32))
        return http.async_infer("identity_int32", [tensor])

    for number, pending in enumerate([request(number) for number in range(20)]):
        assert pending.get_result().as_numpy("OUTPUT0").tolist() == [[number, number]]
