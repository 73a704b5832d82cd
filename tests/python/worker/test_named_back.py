"""Goal: large tensors that a model sends on as they came stay where they are, and only those.

Method: real worker processes return views of their inputs, or ask other models with them; the fake
server sees where messages say that tensors are, and how often a block was counted as named back.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from tests.python.worker.conftest import Start, config_of, tensor
from tests.python.worker.fake_server import Request, fp32
from tests.python.worker.test_bls import Infer, answer

_COUNT = (1 << 16) + 2  # elements; two less are the smallest tensor that is large
_DATA: NDArray[Any] = numpy.arange(_COUNT, dtype=numpy.float32)
_CONFIG = config_of(output=[tensor("OUT"), tensor("OUT1"), tensor("INT", "TYPE_INT64")])


def _returning(outputs: str) -> str:
    return f"""
class TritonPythonModel:
    def execute(self, requests):
        array = requests[0].inputs()[0].as_numpy()
        tensor = pb_utils.Tensor
        return [pb_utils.InferenceResponse([{outputs}])] * len(requests)
"""


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ("array", _DATA),
        ("array.reshape(2, -1)[:, None]", _DATA.reshape(2, 1, -1)),
        ("array.view(np.int32).view(np.float32)", _DATA),
    ],
)
def test_a_large_input_that_is_returned_is_named(
    start: Start, array: str, expected: NDArray[Any]
) -> None:
    server = start(_returning(f"tensor('OUT', {array})"), _CONFIG)
    block = server.begin([Request({0: fp32(_DATA)})])
    (response,) = server.finish()
    assert (response.named_back, response.block) == ({0}, 0)
    assert numpy.array_equal(response.outputs[0], expected)
    server.execute(Request({0: fp32([1])}))
    assert (server.is_lent(block), server.namings(block)) == (False, 1)


def test_each_tensor_is_counted_beside_those_that_are_copied(start: Start) -> None:
    outputs = "tensor('OUT1', array[2:] + 1), tensor('OUT', array), tensor('OUT1', array[2:])"
    server = start(_returning(outputs), _CONFIG)
    block = server.begin([Request({0: fp32(_DATA)})])
    _, body = server._receive(server._execute)
    assert server.namings(block) == 2
    places = [struct.unpack_from("<HBBIQQq", body, 44 + 32 * at) for at in range(3)]
    assert [place[3:5] for place in places] == [(0, 0), (1, block), (1, block + 8)]


@pytest.mark.parametrize(
    "array",
    [
        "array[3:]",  # a little too small
        "array * 1",
        "array[::-1]",
        "array.astype('>f4')",
        "np.asfortranarray(array.reshape(2, -1))",
    ],
)
def test_everything_else_is_copied(start: Start, array: str) -> None:
    server = start(_returning(f"tensor('OUT', {array})"), _CONFIG)
    block = server.begin([Request({0: fp32(_DATA)})])
    (response,) = server.finish()
    assert (response.error, response.named_back, server.namings(block)) == (None, set(), 0)
    names = {"array": _DATA, "np": numpy}
    assert numpy.array_equal(response.outputs[0], eval(array, names))


def test_a_part_of_a_large_batch_does_not_keep_all_of_it(start: Start) -> None:
    server = start(_returning("tensor('OUT', array)"), _CONFIG)
    server.begin([Request({0: fp32(_DATA)})] * 3)
    for response in server.finish():
        assert response.named_back == set()
        assert numpy.array_equal(response.outputs[0], _DATA)


def test_what_is_refused_is_not_counted(start: Start) -> None:
    outputs = "tensor('OUT', array), tensor('OTHER', array)"
    server = start(_returning(outputs), _CONFIG)
    block = server.begin([Request({0: fp32(_DATA)})])
    (response,) = server.finish()
    assert response.error is not None
    assert "unexpected inference output 'OTHER'" in response.error
    assert server.namings(block) == 0


def test_senders_copy(start: Start) -> None:
    config = {**_CONFIG, "model_transaction_policy": {"decoupled": True}}
    server = start(
        """
class TritonPythonModel:
    def execute(self, requests):
        array = requests[0].inputs()[0].as_numpy()
        sender = requests[0].get_response_sender()
        sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array)]), flags=1)
""",
        config,
    )
    block = server.begin([Request({0: fp32(_DATA)})])
    response = server.late_response()
    assert numpy.array_equal(response.outputs[0], _DATA)
    assert (response.named_back, server.namings(block)) == (set(), 0)
    server.finish()


def test_models_hand_on_what_they_got(start: Start) -> None:
    server = start(
        """
class TritonPythonModel:
    def execute(self, requests):
        asked = pb_utils.InferenceRequest(
            model_name="other",
            inputs=[requests[0].inputs()[0], pb_utils.Tensor("SMALL", np.float32([7]))],
            requested_output_names=["Y"],
        )
        answer = asked.exec().output_tensors()[0].as_numpy()
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", answer)])]
""",
        _CONFIG,
    )
    block = server.begin([Request({0: fp32(_DATA)})])
    infer = Infer(server)
    assert infer.named_back == {"IN"}
    assert numpy.array_equal(infer.inputs["IN"], _DATA)
    assert infer.inputs["SMALL"].tolist() == [7]
    assert server.namings(block) == 1
    answered = answer(server, infer.call, (_DATA + 1).tolist())
    (response,) = server.finish()
    assert response.named_back == {0}
    assert numpy.array_equal(response.outputs[0], _DATA + 1)
    assert (server.namings(block), server.namings(answered)) == (1, 1)


def test_a_request_that_cannot_be_sent_is_not_counted(start: Start) -> None:
    server = start(
        """
class TritonPythonModel:
    def execute(self, requests):
        pb_utils.InferenceRequest(
            model_name="other", inputs=requests[0].inputs(), correlation_id=1 << 64
        ).exec()
""",
        _CONFIG,
    )
    block = server.begin([Request({0: fp32(_DATA)})])
    (response,) = server.finish()
    assert response.error is not None
    assert "has a number that is out of range" in response.error
    assert server.namings(block) == 0
