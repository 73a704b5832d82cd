"""Goal: models can ask the server's other models, from threads, coroutines and iterators.

Method: real worker processes; the fake server reads INFER, and answers in orders of its choice.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy
import pytest

from tests.python.worker.conftest import Start, config_of, tensor
from tests.python.worker.fake_server import (
    ANSWER,
    CANCEL,
    DTYPES,
    INFER,
    INPUTS_SIZE,
    FakeServer,
    Request,
    fp32,
)
from tests.python.worker.message_parts import parameters, text

CONFIG = config_of(output=[tensor("OUT", "TYPE_STRING")])
SETUP = """
def say(*words):
    array = np.array([str(word) for word in words], dtype=object)
    return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array)])

def ask(model="other", **fields):
    return pb_utils.InferenceRequest(
        model_name=model,
        inputs=[pb_utils.Tensor("X", np.float32([[1, 2]]))],
        requested_output_names=["Y"],
        **fields,
    )
"""


class Infer:
    """One request of a model's, as the server sees it."""

    def __init__(self, server: FakeServer) -> None:
        kind, reader = server.next_call()
        assert kind == INFER
        (self.call, self.correlation, self.timeout, self.priority, self.flags, self.wants) = (
            reader.take("QQQQII")
        )
        self.version, self.correlation_kind, _ = reader.take("qB3xQ")
        self.model, self.id, self.correlation_text = (reader.text() for _ in range(3))
        self.label = reader.text() if self.wants & 2 else None
        input_count, output_count, parameter_count, block = reader.take("HHIQ")
        self.parameters = reader.parameters(parameter_count)
        self.inputs: dict[str, Any] = {}
        self.named_back: set[str] = set()
        for _ in range(input_count):
            name = reader.text()
            code, dim_count, _, is_named_back, offset, size = reader.take("BBHIQQ")
            shape = reader.take(f"{dim_count}q")
            if is_named_back:
                self.named_back.add(name)
                data = server.input_map[offset : offset + size]
            else:
                data = server.output_bytes(block + offset, size)
            self.inputs[name] = numpy.frombuffer(data, DTYPES[code]).reshape(shape)
        self.all_outputs = output_count == 0xFFFF
        self.outputs = [reader.text() for _ in range(0 if self.all_outputs else output_count)]
        assert reader.is_at_end()


def answer(
    server: FakeServer,
    call: int,
    values: list[float] | None = None,
    error: str = "",
    *,
    is_final: bool = True,
    charge: int = 4096,
) -> int:
    """Answer a call with an output Y, an error, or nothing; return the block."""
    data = numpy.asarray(values or [], "<f4").tobytes()
    block = server.write_block([data])[0] if values else 0
    given = parameters({"p": 1})  # their count first
    body = struct.pack("<QQIBBH", call, charge, is_final, bool(error), 2, bool(values))
    body += struct.pack("<QQ", block, INPUTS_SIZE)
    body += given[:4] + text(error) + given[4:]
    if values:
        body += text("Y") + struct.pack("<BBHIQQ", 11, 1, 0, 0, 0, len(data))
        body += struct.pack("<q", len(values))
    server.send_call(ANSWER, body)
    return block


def words(server: FakeServer) -> list[str]:
    """Wait for the batch's one answer and return its strings."""
    (response,) = server.finish()
    assert response.error is None
    return [word.decode() for word in response.values()]


def test_request_reaches_the_server_whole(start: Start) -> None:
    server = start(
        SETUP
        + """
class TritonPythonModel:
    def execute(self, requests):
        response = ask(
            request_id="id", correlation_id=9, model_version=2, flags=3, timeout=77,
            parameters={"a": 1},
        ).exec()
        array = pb_utils.get_output_tensor_by_name(response, "Y").as_numpy()
        return [say(array.tolist(), response.has_error(), response.parameters())]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    infer = Infer(server)
    assert (infer.model, infer.version, infer.id) == ("other", 2, "id")
    assert infer.label is None
    assert (infer.correlation, infer.correlation_kind) == (9, 0)
    assert (infer.flags, infer.timeout, infer.parameters) == (3, 77, {"a": 1})
    assert infer.wants == 0
    assert infer.inputs["X"].tolist() == [[1, 2]]
    assert infer.outputs == ["Y"]
    block = answer(server, infer.call, [4, 5])
    assert words(server) == ["[4.0, 5.0]", "False", '{"p": 1}']
    server.begin([Request({0: fp32([1])})])
    answer(server, Infer(server).call, [4])
    server.finish()
    assert not server.is_lent(block)


def test_a_version_may_be_named_by_its_label(start: Start) -> None:
    server = start(
        SETUP
        + """
class TritonPythonModel:
    def execute(self, requests):
        made = ask(correlation_id="seq", model_version="canary")
        made.exec()
        return [say(made.model_version())]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    infer = Infer(server)
    assert (infer.model, infer.version, infer.label) == ("other", -1, "canary")
    assert infer.correlation_text == "seq"
    answer(server, infer.call, [4])
    assert words(server) == ["canary"]


def test_a_trace_has_no_context_and_can_be_handed_on(start: Start) -> None:
    server = start(
        SETUP
        + """
class TritonPythonModel:
    def execute(self, requests):
        trace = requests[0].trace()
        made = ask(trace=trace)
        made.exec()
        return [say(type(trace).__name__, trace.get_context(), made.trace() is trace)]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    answer(server, Infer(server).call, [4])
    assert words(server) == ["InferenceTrace", "None", "True"]


def test_error_of_the_other_model_is_a_response(start: Start) -> None:
    server = start(
        SETUP
        + """
class TritonPythonModel:
    def execute(self, requests):
        error = ask(correlation_id="seq").exec().error()
        return [say(error.message(), error.code())]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    infer = Infer(server)
    assert (infer.correlation_kind, infer.correlation_text) == (1, "seq")
    answer(server, infer.call, error="no such thing")
    assert words(server) == ["no such thing", "2"]


def test_threads_get_their_own_answers_in_any_order(start: Start) -> None:
    server = start(
        SETUP
        + """
from concurrent.futures import ThreadPoolExecutor
class TritonPythonModel:
    def execute(self, requests):
        def one(number):
            response = ask(request_id=str(number)).exec()
            return int(response.output_tensors()[0].as_numpy()[0])
        with ThreadPoolExecutor(8) as pool:
            return [say(*pool.map(one, range(8)))]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    calls = [Infer(server) for _ in range(8)]
    for infer in reversed(calls):
        answer(server, infer.call, [100 + int(infer.id)])
    assert words(server) == [str(100 + number) for number in range(8)]


def test_coroutines_wait_together(start: Start) -> None:
    server = start(
        SETUP
        + """
import asyncio
class TritonPythonModel:
    async def execute(self, requests):
        async def one(number):
            response = await ask(request_id=str(number)).async_exec()
            return int(response.output_tensors()[0].as_numpy()[0])
        return [say(*await asyncio.gather(*map(one, range(4))))]
""",
        CONFIG,
    )
    for _ in range(2):
        server.begin([Request({0: fp32([1])})])
        for infer in reversed([Infer(server) for _ in range(4)]):
            answer(server, infer.call, [int(infer.id)])
        assert words(server) == ["0", "1", "2", "3"]


def test_threads_and_coroutines_wait_side_by_side(start: Start) -> None:
    server = start(
        SETUP
        + """
import asyncio, threading
class TritonPythonModel:
    async def execute(self, requests):
        loop = asyncio.get_running_loop()
        value = lambda response: int(response.output_tensors()[0].as_numpy()[0])
        awaited = ask(request_id="1").async_exec()
        in_thread = loop.run_in_executor(None, lambda: value(ask(request_id="2").exec()))
        more = ask(request_id="3").async_exec()
        return [say(value(await awaited), await in_thread, value(await more))]
""",
        CONFIG,
    )
    for _ in range(5):
        server.begin([Request({0: fp32([1])})])
        calls = [Infer(server) for _ in range(3)]
        for infer in (calls[1], calls[2], calls[0]):
            answer(server, infer.call, [int(infer.id)])
        assert words(server) == ["1", "2", "3"]


@pytest.mark.parametrize("form", ["exec", "async_exec"])
def test_decoupled_responses_come_through_an_iterator(start: Start, form: str) -> None:
    loop = (
        "async for response in await ask().async_exec(decoupled=True):"
        if form == "async_exec"
        else "for response in ask().exec(decoupled=True):"
    )
    server = start(
        SETUP
        + f"""
class TritonPythonModel:
    async def execute(self, requests):
        found = []
        {loop}
            found.append([tensor.as_numpy().tolist() for tensor in response.output_tensors()])
        return [say(found)]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    infer = Infer(server)
    assert infer.wants == 1
    for values in ([1.0], [2.0, 3.0]):
        answer(server, infer.call, values, is_final=False)
    answer(server, infer.call)
    assert words(server) == ["[[[1.0]], [[2.0, 3.0]], []]"]


def test_cancel_and_dropping_the_iterator_tell_the_server_once(start: Start) -> None:
    server = start(
        SETUP
        + """
class TritonPythonModel:
    def execute(self, requests):
        cancelled = ask().exec(decoupled=True)
        cancelled.cancel()
        for response in cancelled:
            pass
        ask().exec(decoupled=True)
        return [say("done")]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    first = Infer(server)
    kind, reader = server.next_call()
    assert (kind, reader.take("Q")) == (CANCEL, (first.call,))
    answer(server, first.call, error="cancelled")
    second = Infer(server)
    kind, reader = server.next_call()
    assert (kind, reader.take("Q")) == (CANCEL, (second.call,))
    assert words(server) == ["done"]


def test_bls_works_only_while_the_model_serves(start: Start) -> None:
    server = start(
        SETUP
        + """
class TritonPythonModel:
    def initialize(self, args):
        ask().exec()
    def execute(self, requests): pass
""",
        CONFIG,
        wait_for="failed",
    )
    assert "BLS is only supported during the 'execute' function." in server.started["error"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            "inputs=[None]",
            "Input tensor for request with id '7' and model name 'x' should not be empty.",
        ),
        (
            "requested_output_names=['']",
            "Requested output name for request with id '7' and model name 'x' should not be empty.",
        ),
        ("inputs=[5]", "the inputs of a request must be Tensors, found [5]"),
        ("correlation_id=1.5", "Correlation ID must be integer or string"),
    ],
)
def test_request_that_makes_no_sense_is_refused(start: Start, fields: str, message: str) -> None:
    server = start(
        SETUP
        + f"""
class TritonPythonModel:
    def execute(self, requests):
        pb_utils.InferenceRequest(request_id="7", model_name="x", {fields})
""",
        CONFIG,
    )
    (response,) = server.execute(Request({0: fp32([1])}))
    assert response.error is not None
    assert message in response.error
