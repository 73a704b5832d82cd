"""Goal: with `preserve_ordering`, answers leave in the order of their requests, however many
instances there are and however often each answers.

Method: the first request keeps its instance until a test lets go; others are done meanwhile, which
the metrics say, and still must come behind it. Requests of one stream, and, as a stream keeps the
order of single answers by itself, calls of their own.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from tests.conformance.conftest import connect
from tests.conformance.metrics_page import wait_until_metrics_say
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_GUARD_S = 60
_OTHERS = 3
# A request of -1 answers once, waits until the gate is opened and closed, and answers once more.
_DECOUPLED = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            for request in requests:
                data = request.inputs()[0].as_numpy()
                sender = request.get_response_sender()
                for last in (False, True):
                    output = pb_utils.Tensor("OUTPUT0", data)
                    sender.send(pb_utils.InferenceResponse([output]))
                    if data[0] == -1 and not last:
                        open("{gate}").read()
                sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
_ONE_EACH = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            responses = []
            for request in requests:
                data = request.inputs()[0].as_numpy()
                if data[0] == -1:
                    open("{gate}").read()
                output = pb_utils.Tensor("OUTPUT0", data)
                responses.append(pb_utils.InferenceResponse([output]))
            return responses
"""
_CONFIG = """
    backend: "python"
    max_batch_size: 0
    input [ {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ 1 ] }} ]
    output [ {{ name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 1 ] }} ]
    instance_group [ {{ count: 2 kind: KIND_CPU }} ]
    dynamic_batching {{ preserve_ordering: {ordered} }}
    model_transaction_policy {{ decoupled: {decoupled} }}
"""
_MODELS = {
    "decoupled_ordered": (_DECOUPLED, "true"),
    "decoupled_unordered": (_DECOUPLED, "false"),
    "ordered_http": (_ONE_EACH, "true"),
    "ordered_grpc": (_ONE_EACH, "true"),
    "unordered_http": (_ONE_EACH, "false"),
    "unordered_grpc": (_ONE_EACH, "false"),
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a held request waits at."""
    path = tmp_path_factory.mktemp("gate") / "gate"
    os.mkfifo(path)
    return path


@pytest.fixture(scope="module")
def server(
    frontend: str, gate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server with the models."""
    repository = tmp_path_factory.mktemp("ordered")
    for name, (source, ordered) in _MODELS.items():
        decoupled = str(source is _DECOUPLED).lower()
        config = _CONFIG.format(ordered=ordered, decoupled=decoupled)
        write_python_model(repository, name, source.format(gate=gate), config)
    with RunningServer(repository, ServerOptions(frontend=frontend)) as running:
        yield running


def _answers(server: RunningServer, gate: Path, model: str, expected: int) -> list[int]:
    """Return the numbers of what is answered on one stream, the first request's held back."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with grpcclient.InferenceServerClient(server.grpc_address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        _send(client, model, -1)
        held = os.open(gate, os.O_WRONLY)
        for number in range(_OTHERS):
            _send(client, model, number)
        success = f'nv_inference_request_success{{model="{model}",version="1"}}'
        wait_until_metrics_say(server, f"{success} {_OTHERS}")
        os.close(held)
        numbers: list[int] = []
        while len(numbers) < expected:
            result, error = answers.get(timeout=_GUARD_S)
            assert error is None, error
            numbers.append(int(result.as_numpy("OUTPUT0")[0]))
        client.stop_stream()
    return numbers


def _send(client: grpcclient.InferenceServerClient, model: str, number: int) -> None:
    tensor = grpcclient.InferInput("INPUT0", [1], "INT32")
    tensor.set_data_from_numpy(np.array([number], np.int32))
    client.async_stream_infer(model, [tensor])


def test_every_answer_of_a_request_comes_before_those_of_the_next(
    server: RunningServer, gate: Path
) -> None:
    numbers = _answers(server, gate, "decoupled_ordered", 2 + 2 * _OTHERS)
    assert numbers == [-1, -1, 0, 0, 1, 1, 2, 2]


def test_decoupled_model_without_order_waits_for_nobody(server: RunningServer, gate: Path) -> None:
    numbers = _answers(server, gate, "decoupled_unordered", 2 + 2 * _OTHERS)
    assert numbers[-1] == -1
    assert sorted(numbers) == [-1, -1, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("ordered", [True, False])
def test_single_answer_waits_for_a_slower_request_where_order_is_asked(
    server: RunningServer, gate: Path, protocol: str, ordered: bool
) -> None:
    model = f"{'ordered' if ordered else 'unordered'}_{protocol}"

    def infer(number: int) -> int:
        with connect(protocol, server) as client:
            result = client.infer(model, {"INPUT0": np.array([number], np.int32)})
        return int(result.as_numpy("OUTPUT0")[0])

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(infer, -1)
        held = os.open(gate, os.O_WRONLY)
        fast = pool.submit(infer, 7)
        success = f'nv_inference_request_success{{model="{model}",version="1"}}'
        wait_until_metrics_say(server, f"{success} 1")
        if ordered:
            assert not fast.done()
        else:
            assert fast.result(_GUARD_S) == 7
        os.close(held)
        assert (slow.result(), fast.result()) == (-1, 7)
