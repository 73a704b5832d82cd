"""Goal: the server learns how much of what it sent a model has taken.

Method: as in test_bls; the fake server says what its answers are charged with.
"""

from __future__ import annotations

import pytest

from tests.python.worker.conftest import Start
from tests.python.worker.fake_server import READ, Request, fp32
from tests.python.worker.test_bls import CONFIG, SETUP, Infer, answer, words


@pytest.mark.parametrize("form", ["exec", "async_exec"])
def test_server_is_told_of_answers_that_the_model_takes_and_keeps(start: Start, form: str) -> None:
    turn = "async for" if form == "async_exec" else "for"
    awaited = "await " if form == "async_exec" else ""
    server = start(
        SETUP
        + f"""
class TritonPythonModel:
    async def execute(self, requests):
        many = {awaited}ask().{form}(decoupled=True)
        {awaited}ask().{form}()  # meanwhile answers to the other come
        kept = []
        {turn} response in many:
            kept.append(response)
            if len(kept) == 5:
                {awaited}ask().{form}()
        return [say(len(kept))]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    many, other = Infer(server), Infer(server)
    half = 1 << 19
    for charge in (half, half - 1, 1, half, half):
        answer(server, many.call, [1], is_final=False, charge=charge)
    answer(server, other.call, [1], charge=9 << 20)
    for taken in (1 << 20, 1 << 20):  # nothing before the model took the first
        kind, reader = server.next_call()
        assert (kind, reader.take("QQ"), reader.is_at_end()) == (READ, (many.call, taken), True)
    answer(server, Infer(server).call, [1])  # whose answers are all final: of no interest
    answer(server, many.call, charge=9 << 20)
    assert words(server) == ["6"]


def test_the_server_is_told_that_the_first_of_several_answers_was_taken(start: Start) -> None:
    server = start(
        SETUP
        + """
class TritonPythonModel:
    def execute(self, requests):
        response = ask().exec()
        return [say(response.output_tensors()[0].as_numpy().tolist())]
""",
        CONFIG,
    )
    server.begin([Request({0: fp32([1])})])
    asked = Infer(server)
    answer(server, asked.call, [1], is_final=False, charge=9 << 20)
    kind, reader = server.next_call()
    assert (kind, reader.take("QQ"), reader.is_at_end()) == (READ, (asked.call, 9 << 20), True)
    answer(server, asked.call)
    assert words(server) == ["[1.0]"]
