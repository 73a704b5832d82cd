"""Goal: `execute` does what Triton's contract says, tensor for tensor and text for text.

Method: real worker processes run small models, with the compiled link and without; a fake server
in Python sends batches and reads answers by its own reading of the messages.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy
import pytest

from tests.python.worker.conftest import Start, config_of, tensor
from tests.python.worker.fake_server import PROGRAM, Request, fp32, serialized

IDENTITY = """
class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([
                pb_utils.Tensor("OUT", pb_utils.get_input_tensor_by_name(request, "IN").as_numpy())
            ])
            for request in requests
        ]
"""


@pytest.fixture(scope="module", params=["compiled", "in_python"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a worker's program: ours, and as an interpreter finds it that cannot load extensions.

    The second one is a copy of the package without them.
    """
    if request.param == "compiled":
        return PROGRAM
    copy = tmp_path_factory.mktemp("in_python") / "tritonpy"
    shutil.copytree(PROGRAM.parent, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return copy / PROGRAM.name


def returning(expression: str) -> str:
    """Return a model whose `execute` returns an expression of `requests`."""
    return f"""
class TritonPythonModel:
    def execute(self, requests):
        tensor = lambda name, array: pb_utils.Tensor(name, np.asarray(array))
        response = lambda *tensors: pb_utils.InferenceResponse(list(tensors))
        return {expression}
"""


def test_the_link_is_the_one_that_is_meant(start: Start, program: Path) -> None:
    source = "[response(tensor('OUT', np.float32(['tritonpy.worker._messages' in sys.modules])))]"
    server = start("import sys\n" + returning(source))
    (response,) = server.execute(Request())
    assert response.values() == [program == PROGRAM]


def test_batch_of_requests_is_answered_in_order(start: Start) -> None:
    server = start(IDENTITY)
    for round_number in range(3):
        values = [[round_number, number, 3.5] for number in range(16)]
        responses = server.execute(*(Request({0: fp32([value])}) for value in values))
        assert [response.values() for response in responses] == [[value] for value in values]


def test_input_block_is_given_back_after_the_answer(start: Start) -> None:
    server = start(IDENTITY)
    first = server.begin([Request({0: fp32([1])})])
    server.finish()
    server.execute(Request({0: fp32([2])}))
    assert not server.is_lent(first)


def test_stashed_input_keeps_its_block_until_it_is_dropped(start: Start) -> None:
    server = start("""
class TritonPythonModel:
    kept = None
    def execute(self, requests):
        array = requests[0].inputs()[0].as_numpy()
        answer = self.kept if self.kept is not None else array
        self.kept = array[1:] if array[0] == 7 else None
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.array(answer))])]
""")
    first = server.begin([Request({0: fp32([7, 8, 9])})])
    server.finish()
    (second,) = server.execute(Request({0: fp32([1, 2])}))
    assert second.values() == [8, 9]
    server.execute(Request({0: fp32([3])}))
    server.execute(Request({0: fp32([3])}))
    assert not server.is_lent(first)


def test_lent_output_blocks_are_not_written_to_again(start: Start) -> None:
    server = start(IDENTITY)
    blocks = set()
    for number in range(5):
        server.begin([Request({0: fp32([number])})])
        kind, body = server._receive(server._execute)
        assert kind == 2
        (block,) = struct.unpack_from("<Q", body, 16 + 4 + 8)
        blocks.add(block)
        if number == 3:
            server.free_output(block)
            freed = block
    assert len(blocks) == 4
    assert block == freed
    values = sorted(struct.unpack("<f", server.output_bytes(at, 4))[0] for at in blocks)
    assert values == [0, 1, 2, 4]


def test_request_tells_what_the_client_gave(start: Start) -> None:
    config = config_of(output=[tensor("OUT", "TYPE_STRING")])
    server = start(
        returning(
            "[response(tensor('OUT', np.array([repr((r.request_id(), r.correlation_id(), r.flags(),"
            " r.timeout(), r.priority(), r.parameters(), r.requested_output_names(),"
            " r.is_cancelled())).encode()], dtype=object))) for r in requests]"
        ),
        config,
    )
    plain, full = server.execute(
        Request({0: fp32([1])}),
        Request(
            {0: fp32([1])},
            outputs=(0,),
            request_id="a b",
            correlation="séance",
            flags=3,
            timeout_us=50,
            priority=2,
            parameters={"k": 1, "off": False, "half": 0.5, "big": 1 << 63, "text": "ü"},
        ),
    )
    assert plain.outputs[0] == [b"('', 0, 0, 0, 0, '{}', {'OUT'}, False)"]
    parameters = (
        '{"k": 1, "off": false, "half": 0.5, "big": 9223372036854775808, "text": "\\u00fc"}'
    )
    told = repr(("a b", "séance", 3, 50, 2, parameters, {"OUT"}, False))
    assert full.outputs[0] == [told.encode()]


def test_bytes_tensors_come_and_go_as_objects(start: Start) -> None:
    strings = tensor("IN", "TYPE_STRING"), tensor("OUT", "TYPE_STRING")
    server = start(
        returning(
            "[response(tensor('OUT', np.array([x + b'!' for x in"
            " r.inputs()[0].as_numpy().ravel()] + ['t\\u00e9', 5], dtype=object)))"
            " for r in requests]"
        ),
        config_of(input=[strings[0]], output=[strings[1]]),
    )
    data = serialized([b"", b"a\0b", b"long" * 100])
    (response,) = server.execute(Request({0: ((3, 1), data)}))
    assert response.outputs[0] == [b"!", b"a\0b!", b"long" * 100 + b"!", "té".encode(), b"5"]


def test_bf16_passes_through_by_dlpack(start: Start) -> None:
    config = config_of(input=[tensor("IN", "TYPE_BF16")], output=[tensor("OUT", "TYPE_BF16")])
    server = start(
        returning("[response(pb_utils.Tensor.from_dlpack('OUT', requests[0].inputs()[0]))]"), config
    )
    bits = numpy.array([0x3F80, 0xC000], "<u2")
    (response,) = server.execute(Request({0: ((2,), bits.tobytes())}))
    assert response.values() == bits.tolist()


def test_arrays_of_any_layout_arrive_in_c_order(start: Start) -> None:
    server = start(
        returning(
            "[response(tensor('OUT', np.arange(6, dtype=np.float32).reshape(2, 3).T)),"
            " response(tensor('OUT', np.arange(3, dtype='>f4'))),"
            " response(tensor('OUT', np.float32(7))),"
            " response(tensor('OUT', np.empty((0, 4), np.float32)))]"
        )
    )
    transposed, swapped, scalar, empty = server.execute(*[Request({0: fp32([1])})] * 4)
    assert transposed.values() == [[0, 3], [1, 4], [2, 5]]
    assert swapped.values() == [0, 1, 2]
    assert (scalar.shapes[0], empty.shapes[0]) == ((), (0, 4))


def test_large_tensors_cross_and_their_blocks_are_used_again(start: Start) -> None:
    server = start(returning("[response(tensor('OUT', np.arange(1 << 20, dtype=np.float32)))]"))
    sizes = []
    for _ in range(3):
        server.begin([Request({0: fp32([1])})])
        _, body = server._receive(server._execute)
        (block,) = struct.unpack_from("<Q", body, 28)
        data = numpy.frombuffer(server.output_bytes(block, 4 << 20), "<f4")
        assert (data == numpy.arange(1 << 20)).all()
        sizes.append(struct.unpack_from("<Q", body, 8)[0])
        server.free_output(block)
    assert sizes == [5 << 20] * 3


def test_outputs_that_were_not_asked_for_are_dropped(start: Start) -> None:
    server = start(
        returning("[response(tensor('A', np.float32([1])), tensor('B', np.float32([2])))]"),
        config_of(output=[tensor("A"), tensor("B")]),
    )
    (response,) = server.execute(Request({0: fp32([0])}, outputs=(1,)))
    assert list(response.outputs) == [1]


def test_response_carries_parameters_and_errors_with_codes(start: Start) -> None:
    server = start(
        returning(
            "[pb_utils.InferenceResponse([tensor('OUT', np.float32([1]))],"
            " parameters={'a': 1, 'b': True, 'c': 'x', 'd': (1 << 64) - 1}),"
            " pb_utils.InferenceResponse("
            "     error=pb_utils.TritonError('no', pb_utils.TritonError.NOT_FOUND)),"
            " pb_utils.InferenceResponse(error=pb_utils.TritonError('plain')),"
            " pb_utils.InferenceResponse(error=pb_utils.TritonError('odd', 99))]"
        )
    )
    good, not_found, plain, odd = server.execute(*[Request({0: fp32([1])})] * 4)
    assert good.parameters == {"a": 1, "b": True, "c": "x", "d": (1 << 64) - 1}
    assert good.values() == [1]
    assert (not_found.error, not_found.code) == ("no", 2)
    assert (plain.error, plain.code) == ("plain", 1)
    assert (odd.error, odd.code) == ("unrecognized error code 99: odd", 1)


PREFIX = "Failed to process the request(s) for model 'm_0_0', message: "


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("7", "Expected a list in the execute return, found type '<class 'int'>'."),
        (
            "[]",
            "Number of InferenceResponse objects do not match the number of InferenceRequest "
            "objects. InferenceRequest(s) size is:1, and InferenceResponse(s) size is:0\n",
        ),
        (
            "['x']",
            "Expected an 'InferenceResponse' object in the execute function return list, found "
            "type '<class 'str'>'.",
        ),
        (
            "[(requests[0].set_release_flags(2), response())[1]]",
            "Expected a None object in the execute function return list for reschduled request, "
            "found type '<class 'tritonpy.worker.response.InferenceResponse'>'.",
        ),
    ],
)
def test_wrong_return_fails_the_batch_with_tritons_text(
    start: Start, expression: str, message: str
) -> None:
    server = start(returning(expression))
    (response,) = server.execute(Request({0: fp32([1])}))
    assert (response.error, response.code) == (PREFIX + message, 1)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (
            "response(tensor('NO', np.float32([1])))",
            "unexpected inference output 'NO' for model 'm', its configuration has ['OUT']",
        ),
        (
            "response(tensor('OUT', np.float64([1])))",
            "model 'm', output 'OUT': the model returned TYPE_FP64, but the model configuration "
            "specifies TYPE_FP32",
        ),
    ],
)
def test_output_against_the_config_fails_its_request_alone(
    start: Start, expression: str, text: str
) -> None:
    server = start(returning(f"[{expression}, response(tensor('OUT', np.float32([1])))]"))
    bad, good = server.execute(*[Request({0: fp32([1])})] * 2)
    assert (bad.error, good.error) == (text, None)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("exit(3)", "SystemExit: 3"),
        ("response(None)", "Output tensor for inference response should not be empty."),
        ("tensor('', [1])", "Tensor name cannot be an empty string."),
        ("pb_utils.Tensor('OUT', [1])", "must be made of a numpy array, found type"),
        ("tensor('OUT', [1j])", "Tensor data type 'complex128' has no counterpart"),
        (
            "pb_utils.InferenceResponse(parameters={1: 2})",
            "Expect parameters keys to have type str, found type <class 'int'>",
        ),
        (
            "pb_utils.InferenceResponse(parameters={'a': 1.5})",
            "Expect parameters values to have type bool/int/str, found type <class 'float'>",
        ),
        ("pb_utils.InferenceResponse(parameters=[])", ", got <class 'list'>"),
        (
            "pb_utils.InferenceResponse(parameters={'a': 1 << 64})",
            "Expect the value of parameter 'a' to fit into 64 bits, found 18446744073709551616",
        ),
        ("undefined_variable", "name 'undefined_variable' is not defined"),
    ],
)
def test_exception_fails_the_batch_and_the_next_one_runs(
    start: Start, expression: str, message: str
) -> None:
    server = start(
        returning(f"[{expression}] if requests[0].request_id() else [response()]"),
    )
    (response,) = server.execute(Request({0: fp32([1])}, request_id="bad"))
    assert response.error is not None
    assert response.error.startswith(PREFIX)
    assert message in response.error
    assert "m/1/model.py(" in response.error
    (next_one,) = server.execute(Request({0: fp32([1])}))
    assert next_one.error is None


def test_output_bigger_than_memory_fails_its_batch(start: Start) -> None:
    server = start(
        returning(
            "[response(tensor('OUT', np.broadcast_to(np.float32(1), (1 << 44,))"
            " if requests[0].request_id() else np.float32([1])))]"
        )
    )
    (response,) = server.execute(Request({0: fp32([1])}, request_id="huge"))
    assert response.error is not None
    assert "Failed to increase the shared memory pool size" in response.error
    assert server.execute(Request({0: fp32([1])}))[0].error is None


def test_async_execute_is_awaited(start: Start) -> None:
    server = start("""
import asyncio
class TritonPythonModel:
    async def execute(self, requests):
        async def one(request):
            await asyncio.sleep(0)
            return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.float32([4]))])
        return list(await asyncio.gather(*map(one, requests)))
""")
    responses = server.execute(*[Request({0: fp32([1])})] * 3)
    assert [response.values() for response in responses] == [[4]] * 3


def test_rescheduled_request_is_reported_as_such(start: Start) -> None:
    server = start(
        returning("[(requests[0].set_release_flags(2), None)[1], response()]"),
    )
    again, done = server.execute(*[Request({0: fp32([1])})] * 2)
    assert (again.verdict, done.verdict) == (2, 0)


def test_request_that_sees_its_client_gone(start: Start) -> None:
    server = start(returning("[response(tensor('OUT', np.float32([requests[0].is_cancelled()])))]"))
    results = []
    for gone in (0, 1):
        server.input_map[5] = gone
        (response,) = server.execute(Request({0: fp32([1])}, cancel_index=5))
        results.append(response.values())
    assert results == [[0], [1]]
