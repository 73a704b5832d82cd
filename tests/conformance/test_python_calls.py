"""Goal: calls of other models (BLS) cost nobody anything when many run at once or their maker dies,
what models hand on without touching it arrives whole, models that answer fast wait for those that
read slowly, and a server can stop whatever its models wait for.

Method: models that ask others, which say in the log what becomes of the requests.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.conftest import connect
from tests.conformance.python_models import (
    IDENTITY_CONFIG,
    process_ends,
    wait_until_ready,
    worker_of,
    write_python_model,
)
from tests.conformance.running_server import RunningServer, ServerOptions

_CALLS = 200
# Each call of one request has data of its own.
_ASKING_MANY = f"""
    import asyncio
    import numpy as np
    import triton_python_backend_utils as pb_utils

    async def asked(data):
        request = pb_utils.InferenceRequest(
            model_name="echo",
            inputs=[pb_utils.Tensor("INPUT0", data)],
            requested_output_names=["OUTPUT0"],
        )
        response = await request.async_exec()
        if response.has_error():
            raise response.error()
        return response.output_tensors()[0].as_numpy()

    class TritonPythonModel:
        async def execute(self, requests):
            responses = []
            for request in requests:
                data = request.inputs()[0].as_numpy()
                told = await asyncio.gather(*(asked(data + n) for n in range({_CALLS})))
                output = np.concatenate(told).ravel()[None]
                responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", output)]))
            return responses
"""
_ASKING_AND_WAITING = """
    import os
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            print("worker", os.getpid(), flush=True)

        def execute(self, requests):
            data = requests[0].inputs()[0].as_numpy()
            if not data.any():
                return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", data)])]
            asked = pb_utils.InferenceRequest(
                model_name="patient",
                inputs=[pb_utils.Tensor("INPUT0", data)],
                requested_output_names=["OUTPUT0"],
            )
            response = asked.exec()
            return [pb_utils.InferenceResponse(response.output_tensors(), response.error())]
"""
# Neither its inputs nor the answer are copied: both stay in the server's memory.
_HANDING_ON = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [self.answer(request) for request in requests]

        def answer(self, request):
            asked = pb_utils.InferenceRequest(
                model_name="echo", inputs=request.inputs(), requested_output_names=["OUTPUT0"]
            )
            return pb_utils.InferenceResponse(asked.exec().output_tensors())
"""
_PATIENT = """
    import time
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            print("asked", flush=True)
            while not requests[0].is_cancelled():
                time.sleep(0.001)
            print("cancelled", flush=True)
            error = pb_utils.TritonError("cancelled", pb_utils.TritonError.CANCELLED)
            return [pb_utils.InferenceResponse(error=error)]
"""
# Answers faster than anybody reads, for as long as it may.
_FLOODING = """
    import os
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            print("worker", os.getpid(), flush=True)

        def execute(self, requests):
            sender = requests[0].get_response_sender()
            output = pb_utils.Tensor("OUTPUT0", np.ones((1, 1 << 18), np.float32))
            while not sender.is_cancelled():
                sender.send(pb_utils.InferenceResponse([output]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
# What was sent and not read, at most: what the server lets lie before the reader (4), what a sender
# sends further before it waits (17), and some more.
_AHEAD_MAX = 32
_ANSWERS = 96
# Says in each answer how many it has sent and how many were read; opens the gate after some.
_FAST = f"""
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            sender = requests[0].get_response_sender()
            progress = np.memmap("{{progress}}", np.int64, "r+")
            for number in range({_ANSWERS}):
                data = np.zeros((1, 1 << 18), np.float32)
                data[0, :2] = number, progress[0]
                output = pb_utils.Tensor("OUTPUT0", data)
                sender.send(pb_utils.InferenceResponse([output]))
                if number == 7:
                    open("{{gate}}", "w").close()
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
# Reads one answer, waits for the gate, asks others for a while, then reads on, and keeps all.
_SLOW = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    def asked(model):
        return pb_utils.InferenceRequest(
            model_name=model,
            inputs=[pb_utils.Tensor("INPUT0", np.ones((1, 1), np.float32))],
            requested_output_names=["OUTPUT0"],
        )

    class TritonPythonModel:
        def execute(self, requests):
            progress = np.memmap("{progress}", np.int64, "r+")
            kept = []
            for response in asked("fast").exec(decoupled=True):
                for tensor in response.output_tensors():
                    kept.append(tensor.as_numpy())
                progress[0] = len(kept)
                if len(kept) == 1:
                    open("{gate}").read()
                    for _ in range(300):
                        asked("echo").exec()
            ahead = [number - seen for number, seen in (array[0, :2] for array in kept)]
            output = np.array([[len(kept), max(ahead)]], np.float32)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", output)])]
"""
_DATA = np.array([[1, 2, 3]], np.float32)


def test_many_calls_at_once_are_each_answered(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "echo")
    write_python_model(tmp_path, "many", _ASKING_MANY)
    with (
        RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server,
        connect("grpc", server) as client,
    ):
        told = client.infer("many", {"INPUT0": _DATA}).as_numpy("OUTPUT0")
        expected = (_DATA + np.arange(_CALLS, dtype=np.float32)[:, None]).ravel()[None]
        np.testing.assert_array_equal(told, expected)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_large_tensors_are_handed_on_whole(frontend: str, tmp_path: Path, protocol: str) -> None:
    write_python_model(tmp_path, "echo")
    write_python_model(tmp_path, "handing_on", _HANDING_ON)
    rounds, threads = 8, 4

    def ask(thread: int) -> None:
        with connect(protocol, server) as client:
            for number in range(rounds):
                data = np.arange(1 << 18, dtype=np.float32)[None] + thread * rounds + number
                told = client.infer("handing_on", {"INPUT0": data}).as_numpy("OUTPUT0")
                np.testing.assert_array_equal(told, data)

    with (
        RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server,
        ThreadPoolExecutor(threads) as pool,
    ):
        for answered in [pool.submit(ask, thread) for thread in range(threads)]:
            answered.result()


def test_calls_of_a_worker_that_dies_are_cancelled(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "asking", _ASKING_AND_WAITING)
    write_python_model(tmp_path, "patient", _PATIENT)
    with (
        RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server,
        connect("grpc", server) as client,
    ):
        process = psutil.Process(server.pid)
        counts = []
        for deaths in (1, 2, 3):
            failing = threading.Thread(target=_ask_in_vain, args=(server, "asking"))
            failing.start()
            server.wait_for_count("patient_0: asked", deaths)
            worker = worker_of(server, "asking_0")
            worker.kill()
            server.wait_for_count("patient_0: cancelled", deaths)
            failing.join()
            assert process_ends(worker.pid)
            wait_until_ready(client, "asking")
            client.infer("asking", {"INPUT0": np.zeros_like(_DATA)})
            counts.append(process.num_fds())
        assert counts[2] <= counts[0]
        statistics = client.statistics("patient")[0]["inference_stats"]
        assert statistics["fail"]["count"] == 3
    assert server.wait() == 0


def test_a_sender_waits_for_the_model_that_asked(frontend: str, tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    progress.write_bytes(bytes(8))
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    repository = tmp_path / "models"
    decoupled = IDENTITY_CONFIG + "model_transaction_policy { decoupled: true }"
    write_python_model(repository, "fast", _FAST.format(progress=progress, gate=gate), decoupled)
    write_python_model(repository, "slow", _SLOW.format(progress=progress, gate=gate))
    write_python_model(repository, "echo")
    with (
        RunningServer(repository, ServerOptions(frontend=frontend)) as server,
        connect("grpc", server) as client,
    ):
        count, ahead = client.infer("slow", {"INPUT0": _DATA}).as_numpy("OUTPUT0")[0]
        assert count == _ANSWERS
        assert ahead <= _AHEAD_MAX


def test_a_server_stops_while_a_sender_waits_for_its_client(frontend: str, tmp_path: Path) -> None:
    decoupled = IDENTITY_CONFIG + "model_transaction_policy { decoupled: true }"
    write_python_model(tmp_path, "flooding", _FLOODING, decoupled)
    options = ServerOptions(["--exit-timeout-secs", "1"], frontend=frontend)
    has_come, may_go_on = threading.Event(), threading.Event()

    def read_no_further(result: Any, error: Any) -> None:
        del result, error
        has_come.set()
        may_go_on.wait()

    with RunningServer(tmp_path, options) as server, connect("grpc", server) as client:
        worker = worker_of(server, "flooding_0")
        client.raw.start_stream(read_no_further)
        client.raw.async_stream_infer("flooding", [client.tensor("INPUT0", _DATA)])
        has_come.wait()
        server.ask_to_stop()
        status = server.wait()
        may_go_on.set()
        assert status == 1, "the flood cannot end, so the exit timeout cuts it"
        assert process_ends(worker.pid)


def _ask_in_vain(server: RunningServer, model: str) -> None:
    with (
        connect("grpc", server) as client,
        pytest.raises(InferenceServerException, match="is not healthy"),
    ):
        client.infer(model, {"INPUT0": _DATA})
