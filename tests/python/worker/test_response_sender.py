"""Goal: responses through senders: 0..N of them, late, from threads, and never none at all.

Method: real worker processes whose models send; a fake server reads what comes on both channels.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.python.worker.conftest import Start, config_of
from tests.python.worker.fake_server import Request, fp32
from tritonpy.worker import request as request_module
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.reply import Reply

DECOUPLED = config_of(model_transaction_policy={"decoupled": True})
FINAL = "flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL"
SETUP = """
def response(*values):
    return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.float32(values))])
"""


def test_decoupled_model_sends_any_number_of_responses(start: Start) -> None:
    server = start(
        SETUP
        + f"""
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for number in range(int(request.inputs()[0].as_numpy()[0])):
                sender.send(response(number))
            sender.send({FINAL})
""",
        DECOUPLED,
    )
    answers = server.execute(Request({0: fp32([2])}), Request({0: fp32([0])}))
    assert [answer.verdict for answer in answers] == [1, 1]
    late = [server.late_response() for _ in range(4)]
    assert [(r.key, r.is_final, r.is_empty) for r in late] == [
        (1, False, False),
        (1, False, False),
        (1, True, True),
        (2, True, True),
    ]
    assert [r.values() for r in late[:2]] == [[0], [1]]


def test_thread_sends_after_execute_has_returned(start: Start) -> None:
    server = start(
        SETUP
        + f"""
import threading
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.answer, args=(request.get_response_sender(),)).start()
    def answer(self, sender):
        sender.send(response(5), {FINAL})
""",
        DECOUPLED,
    )
    for key in (1, 2):
        server.execute(Request({0: fp32([1])}))
        late = server.late_response()
        assert (late.key, late.is_final) == (key, True)
        assert late.values() == [5]


def test_plain_model_may_answer_through_its_sender(start: Start) -> None:
    server = start(
        SETUP
        + f"""
class TritonPythonModel:
    def execute(self, requests):
        requests[0].get_response_sender().send(response(1), {FINAL})
        return [None, response(2)]
"""
    )
    first, second = server.execute(Request({0: fp32([1])}), Request({0: fp32([1])}))
    assert (first.verdict, second.verdict) == (1, 0)
    assert server.late_response().values() == [1]


FLOOD = (
    SETUP
    + f"""
import threading
from tritonpy.worker import runtime
class TritonPythonModel:
    def initialize(self, args):
        runtime.current().ended.wait = lambda _: pb_utils.Logger.log_info("waits")
    def execute(self, requests):
        sender = requests[0].get_response_sender()
        threading.Thread(target=self.answer, args=(sender,)).start()
    def answer(self, sender):
        for number in range(5):
            array = np.full(6 << 18, number, np.float32)
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array)]))
        sender.send({FINAL})
"""
)


def test_model_waits_for_a_client_that_is_far_behind(start: Start) -> None:
    server = start(FLOOD, DECOUPLED)
    server.execute(Request({0: fp32([1])}))
    first = [server.late_response() for _ in range(3)]  # of 6 MiB each
    assert server.next_control("log")["message"] == "waits"
    for response in first:
        server.free_output(response.block)
    rest = [server.late_response() for _ in range(3)]
    assert [r.values()[0] for r in [*first, *rest[:2]]] == [0, 1, 2, 3, 4]
    assert rest[2].is_final


def test_model_does_not_wait_for_a_client_that_has_gone(start: Start) -> None:
    server = start(FLOOD, DECOUPLED)
    server.execute(Request({0: fp32([1])}, cancel_index=7))
    assert server.next_control("log")["message"] == "waits"
    server.input_map[7] = 1
    assert [server.late_response().is_final for _ in range(6)] == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("sends", "decoupled", "message"),
    [
        (["s.send(response(1), 7)"], True, "Unable to send response. Unsupported flag provided."),
        (
            ["s.send()"],
            True,
            "Inference Response object must be provided when the response flags is set to zero.",
        ),
        (
            [f"s.send({FINAL})", "s.send(response(1))"],
            True,
            "Unable to send response. Response sender has been closed.",
        ),
        (
            ["s.send(response(1))", "s.send(response(1))"],
            False,
            "Unable to send response. Non-decoupled model cannot send more than one response.",
        ),
        (
            [f"s.send({FINAL})"],
            False,
            "Unable to send response. Non-decoupled model cannot send complete final before "
            "sending a response.",
        ),
    ],
)
def test_misuse_of_a_sender_raises_tritons_text(
    start: Start, sends: list[str], decoupled: bool, message: str
) -> None:
    server = start(
        SETUP
        + f"""
class TritonPythonModel:
    def execute(self, requests):
        s = requests[0].get_response_sender()
        {"; ".join(sends[:-1]) or "pass"}
        try:
            {sends[-1]}
        except pb_utils.TritonModelException as error:
            print("caught:", error)
""",
        config_of(model_transaction_policy={"decoupled": decoupled}),
    )
    server.execute(Request({0: fp32([1])}))
    assert server.unload() == 0
    assert server.process.communicate()[0].decode() == f"caught: {message}\n"


def test_threads_that_ask_for_a_sender_at_once_share_one_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class UnhurriedReply(Reply):
        """Lets the other threads run while it is made."""

        def __init__(self, key: int) -> None:
            for _ in range(1000):
                os.sched_yield()
            super().__init__(key)

    monkeypatch.setattr(request_module, "Reply", UnhurriedReply)
    signature = ModelSignature("m", "m_0", [], [], is_decoupled=True)
    request = request_module.received(signature, (0,) * 10, None, [], None)
    barrier = threading.Barrier(4)

    def open_reply(_: int) -> Reply:
        barrier.wait()
        return request._open_reply()

    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(open_reply, range(4)))
    assert all(reply is replies[0] for reply in replies)


def test_request_that_nobody_can_answer_any_more_fails(start: Start) -> None:
    server = start(
        """
class TritonPythonModel:
    def execute(self, requests):
        return None
""",
        DECOUPLED,
    )
    server.execute(Request({0: fp32([1])}))
    late = server.late_response()
    assert (late.key, late.is_final) == (1, True)
    assert late.error == (
        "Python model instance 'm_0_0' dropped the request without a final response"
    )


def test_decoupled_model_that_returns_something_fails_what_is_open(start: Start) -> None:
    server = start(
        SETUP
        + f"""
class TritonPythonModel:
    def execute(self, requests):
        requests[0].get_response_sender().send({FINAL})
        return [None, None]
""",
        DECOUPLED,
    )
    first, second = server.execute(Request({0: fp32([1])}), Request({0: fp32([1])}))
    assert first.verdict == 1
    assert second.error == (
        "Failed to process the request(s) for model 'm_0_0', message: Python model 'm_0_0' is "
        "using the decoupled mode and the execute function must return None."
    )


def test_async_decoupled_executes_overlap(start: Start) -> None:
    server = start(
        SETUP
        + f"""
import asyncio
class TritonPythonModel:
    gate = None
    async def execute(self, requests):
        sender = requests[0].get_response_sender()
        if self.gate is None:
            self.gate = asyncio.Event()
            await self.gate.wait()
        self.gate.set()
        sender.send(response(1), {FINAL})
""",
        DECOUPLED,
    )
    assert server.execute(Request({0: fp32([1])}))[0].verdict == 1
    assert server.execute(Request({0: fp32([1])}))[0].verdict == 1
    assert {server.late_response().key, server.late_response().key} == {1, 2}


def test_async_decoupled_failure_reaches_the_client(start: Start) -> None:
    server = start(
        """
class TritonPythonModel:
    async def execute(self, requests):
        raise ValueError("late trouble")
""",
        DECOUPLED,
    )
    assert server.execute(Request({0: fp32([1])}))[0].verdict == 1
    late = server.late_response()
    assert late.is_final
    assert late.error is not None
    assert "ValueError: late trouble" in late.error
