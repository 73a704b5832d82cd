"""Goal: every form of `@tritonpy.model` yields the config that it says, and serves.

Method: configs are read in this process; each form then runs in a real worker with that config.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy
import pytest
from numpy.typing import NDArray

import tritonpy
from tests.python.worker.conftest import Start, tensor
from tests.python.worker.fake_server import FakeServer, Request, fp32, serialized

IMPORTS = (
    "import tritonpy\nfrom typing import *\nfrom collections.abc import *\n"
    "from numpy.typing import NDArray\n"
)


def completed(start: Start, source: str, **config: Any) -> dict[str, Any]:
    """Return the config that a model's source yields."""
    server = start(
        IMPORTS + source,
        {"name": "m", "max_batch_size": 0, **config},
        "completed",
        mode="auto_complete",
    )
    found = server.started["config"]
    assert isinstance(found, dict)
    return found


def serve(start: Start, source: str) -> FakeServer:
    """Serve a model with the config that it yields."""
    return start(IMPORTS + source, completed(start, source))


def test_function_of_scalars(start: Start) -> None:
    source = """
@tritonpy.model
def repeat(text: str, times: int, loud: bool = False) -> str:
    return (text.upper() if loud else text) * times
"""
    config = completed(start, source)
    assert config["input"] == [
        tensor("text", "TYPE_STRING", (1,)),
        tensor("times", "TYPE_INT64", (1,)),
        {**tensor("loud", "TYPE_BOOL", (1,)), "optional": True},
    ]
    assert config["output"] == [tensor("output", "TYPE_STRING", (1,))]
    server = start(IMPORTS + source, config)
    text = ((1,), serialized(["é".encode()]))
    times = ((1,), numpy.int64(3).tobytes())
    quiet, loud = server.execute(
        Request({0: text, 1: times}), Request({0: text, 1: times, 2: ((1,), b"\1")})
    )
    assert quiet.values() == ["ééé".encode()]
    assert loud.values() == ["ÉÉÉ".encode()]


def test_function_of_arrays_with_two_named_outputs(start: Start) -> None:
    source = """
class Both(NamedTuple):
    doubled: NDArray[np.float32]
    words: list[str]

@tritonpy.model
def both(x: Annotated[NDArray[np.float32], (None, 2)]) -> Both:
    return Both(x * 2, [str(x.shape)])
"""
    config = completed(start, source)
    assert config["input"] == [tensor("x", dims=(-1, 2))]
    assert config["output"] == [tensor("doubled"), tensor("words", "TYPE_STRING")]
    (response,) = start(IMPORTS + source, config).execute(Request({0: fp32([[1, 2]])}))
    assert response.values(0) == [[2, 4]]
    assert response.values(1) == [b"(1, 2)"]


def test_failure_is_that_of_its_request_alone(start: Start) -> None:
    server = serve(
        start,
        "@tritonpy.model\ndef inverse(x: float) -> float:\n    return 1 / x\n",
    )
    half, infinite = server.execute(
        Request({0: ((1,), numpy.float64(2).tobytes())}),
        Request({0: ((1,), numpy.float64(0).tobytes())}),
    )
    assert half.values() == [0.5]
    assert infinite.error is not None
    assert "ZeroDivisionError: float division by zero" in infinite.error


def test_batching_joins_the_requests_of_a_batch(start: Start) -> None:
    source = """
@tritonpy.model(batching=16, outputs=["total", "calls"])
def total(x: NDArray[np.float32], word: str) -> tuple[NDArray[np.float32], str]:
    return x.sum(axis=1, keepdims=True), [f"{one} of {len(word)}" for one in word]
"""
    config = completed(start, source)
    assert config["max_batch_size"] == 16
    assert config["dynamic_batching"] == {}
    assert config["output"] == [tensor("total"), tensor("calls", "TYPE_STRING", (1,))]
    first, second = start(IMPORTS + source, config).execute(
        Request({0: fp32([[1, 2]]), 1: ((1, 1), serialized([b"a"]))}),
        Request({0: fp32([[3, 4], [5, 6]]), 1: ((2, 1), serialized([b"b", b"c"]))}),
    )
    assert (first.values(0), first.values(1)) == ([[3]], [b"a of 3"])
    assert (second.values(0), second.values(1)) == ([[7], [11]], [b"b of 3", b"c of 3"])
    assert second.shapes[1] == (2, 1)


def test_batch_of_the_wrong_length_names_the_output(start: Start) -> None:
    server = serve(
        start,
        "@tritonpy.model(batching=True)\n"
        "def short(x: NDArray[np.float32]) -> NDArray[np.float32]:\n    return x[:1]\n",
    )
    (response,) = server.execute(Request({0: fp32([[1]])}), Request({0: fp32([[1]])}))
    assert response.error is not None
    assert "'short' returned 'output' of shape [1, 1] for a batch of 2" in response.error


@pytest.mark.parametrize("method", ["__call__", "predict"])
def test_class_is_made_once_when_the_model_is_loaded(start: Start, method: str) -> None:
    server = serve(
        start,
        f"""
@tritonpy.model
class Counter:
    def __init__(self) -> None:
        self.count = 0
    def {method}(self, step: int) -> int:
        self.count += step
        return self.count
""",
    )
    two = Request({0: ((1,), numpy.int64(2).tobytes())})
    assert [response.values() for response in server.execute(two, two, two)] == [[2], [4], [6]]


def test_coroutine_functions_run_together(start: Start) -> None:
    server = serve(
        start,
        """
import asyncio
gate = asyncio.Event()
@tritonpy.model
async def meet(first: bool) -> bool:
    if first:
        await gate.wait()
    gate.set()
    return True
""",
    )
    responses = server.execute(Request({0: ((1,), b"\1")}), Request({0: ((1,), b"\0")}))
    assert [response.values() for response in responses] == [[True], [True]]


@pytest.mark.parametrize("form", ["def", "async def"])
def test_generator_streams_its_values(start: Start, form: str) -> None:
    kind = "AsyncIterator" if form == "async def" else "Iterator"
    source = f"""
@tritonpy.model
{form} count(n: int) -> {kind}[int]:
    for number in range(n):
        yield number
    if n == 2:
        raise ValueError("two")
"""
    config = completed(start, source)
    assert config["model_transaction_policy"] == {"decoupled": True}
    server = start(IMPORTS + source, config)
    server.execute(Request({0: ((1,), numpy.int64(3).tobytes())}))
    responses = [server.late_response() for _ in range(4)]
    assert [response.values() for response in responses[:3]] == [[0], [1], [2]]
    assert responses[3].is_final
    server.execute(Request({0: ((1,), numpy.int64(2).tobytes())}))
    *_, last = (server.late_response() for _ in range(3))
    assert last.is_final
    assert last.error is not None
    assert "ValueError: two" in last.error


def test_config_that_says_more_is_kept(start: Start) -> None:
    config = completed(
        start,
        "@tritonpy.model(batching=8)\n"
        "def same(x: NDArray[np.int32]) -> NDArray[np.int32]:\n    return x\n",
        max_batch_size=32,
        input=[tensor("x", "TYPE_INT32")],
    )
    assert config["max_batch_size"] == 32
    assert config["input"] == [tensor("x", "TYPE_INT32")]


def untyped(x) -> int:  # type: ignore[no-untyped-def]
    return int(x)


def silent(x: int):  # type: ignore[no-untyped-def]
    return x


def strange(x: dict[str, int]) -> int:
    return len(x)


def stream(x: int) -> Iterator[int]:
    yield x


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (untyped, "parameter 'x' of the model has no type annotation"),
        (silent, "the model's function does not say what it returns"),
        (strange, "'x' is annotated with dict"),
    ],
)
def test_annotations_that_do_not_say_enough_are_told(function: Any, text: str) -> None:
    model: Any = tritonpy.model(function)
    with pytest.raises(TypeError) as error:
        model.signature()
    assert text in str(error.value)


def test_stream_cannot_batch(start: Start) -> None:
    source = "@tritonpy.model(batching=True)\ndef f(x: int) -> Iterator[int]:\n    yield x\n"
    config = {"name": "m", "max_batch_size": 0}
    server = start(IMPORTS + source, config, "failed", mode="auto_complete")
    assert "'f' streams, and what streams cannot batch" in server.started["error"]


def test_two_models_in_one_file_are_refused(start: Start) -> None:
    one = "@tritonpy.model\ndef {}(x: int) -> int:\n    return x\n"
    server = start(IMPORTS + one.format("a") + one.format("b"), wait_for="failed")
    assert server.started["error"] == "'1.model' has more than one model: a, b"


def test_decorated_function_can_still_be_called() -> None:
    @tritonpy.model
    def add(a: Annotated[NDArray[numpy.float32], (2,)], b: float) -> NDArray[numpy.float32]:
        """Add."""
        return numpy.array([*a, b], numpy.float32)

    assert add(numpy.ones(2, numpy.float32), 3).tolist() == [1, 1, 3]
    assert add.__doc__ == "Add."
