"""Goal: workers die and come back; only the requests inside them fail, and nothing is left behind.

Method: workers killed under load, servers killed outright, and what the system shows of them.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.conftest import connect
from tests.conformance.metrics_page import wait_until_waiting
from tests.conformance.python_models import (
    process_ends,
    wait_until_ready,
    worker_of,
    workers_of,
    write_python_model,
)
from tests.conformance.running_server import RunningServer, ServerOptions

# How long something that hangs may keep a test from failing; nothing is measured against it.
_GUARD_S = 60
_ANNOUNCED = """
    import os
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            print("worker", os.getpid())

        def execute(self, requests):
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", r.inputs()[0].as_numpy())])
                for r in requests
            ]
"""
_HANGING = """
    import os, signal
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            print("worker", os.getpid())

        def execute(self, requests):
            signal.pause()
"""
_DATA = np.array([[1, 2, 3]], np.float32)
_DEATHS = 3
_CLIENTS = 2


class Load:
    """Asks one model all the time, from several threads, and keeps what goes wrong."""

    def __init__(self, server: RunningServer, model: str, threads: int = _CLIENTS) -> None:
        self._server, self._model = server, model
        self._stop = threading.Event()
        self._succeeded = threading.Event()
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def wait_for_success(self) -> None:
        """Return when a request succeeded from now on."""
        self._succeeded.clear()
        assert self._succeeded.wait(_GUARD_S)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with connect("grpc", self._server) as client:
            while not self._stop.is_set():
                try:
                    result = client.infer(self._model, {"INPUT0": _DATA})
                    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)
                    self._succeeded.set()
                except (InferenceServerException, AssertionError) as error:
                    self.errors.append(str(error))


def test_killed_workers_fail_only_what_they_hold(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "killed", _ANNOUNCED)
    write_python_model(tmp_path, "spared", _ANNOUNCED)
    options = ServerOptions(frontend=frontend)
    with RunningServer(tmp_path, options) as server, connect("grpc", server) as client:
        process = psutil.Process(server.pid)
        spared = Load(server, "spared", threads=1)
        load = Load(server, "killed")
        descriptors = 0
        for death in range(_DEATHS):
            worker = worker_of(server, "killed_0")
            worker.kill()
            assert process_ends(worker.pid)
            server.wait_for(f"(process {worker.pid}) has ended: killed by signal 9")
            wait_until_ready(client, "killed")
            load.wait_for_success()
            assert len(load.errors) <= (death + 1) * _CLIENTS
            if death == 0:
                descriptors = process.num_fds()
        load.stop()
        spared.stop()
        assert spared.errors == []
        assert {"Stub process 'killed_0' is not healthy." in text for text in load.errors} <= {True}
        assert len(workers_of(server)) == 2
        assert [child for child in process.children() if child.status() == "zombie"] == []
        assert process.num_fds() <= descriptors
        np.testing.assert_array_equal(
            client.infer("killed", {"INPUT0": _DATA}).as_numpy("OUTPUT0"), _DATA
        )
    assert server.wait() == 0


def _infer_slow(server: RunningServer, protocol: str) -> object:
    with connect(protocol, server) as client:
        return client.infer("slow", {"INPUT0": _DATA}).as_numpy("OUTPUT0")


def test_requests_wait_for_a_worker_that_starts_again(frontend: str, tmp_path: Path) -> None:
    """The file that initialize waits for is there once the test has looked."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    source = _ANNOUNCED.replace(
        'print("worker", os.getpid())',
        f'print("worker", os.getpid(), flush=True); open({str(gate)!r}).read()',
    )
    write_python_model(tmp_path / "models", "slow", source)
    threading.Thread(target=lambda: gate.write_text("first"), daemon=True).start()
    options = ServerOptions(frontend=frontend)
    with RunningServer(tmp_path / "models", options) as server:
        for protocol in ("http", "grpc"):
            with connect(protocol, server) as client:
                assert client.raw.is_model_ready("slow")
                assert client.raw.is_server_ready()
                worker = worker_of(server, "slow_0")
                worker.kill()
                server.wait_for(f"(process {worker.pid}) has ended: killed by signal 9")
                assert not client.raw.is_model_ready("slow")
                with ThreadPoolExecutor() as pool:
                    waiting = [pool.submit(_infer_slow, server, protocol) for _ in "ab"]
                    # An instance whose thread was woken has the other one; an io thread that
                    # would drive it in its place takes none.
                    wait_until_waiting(server, 2 if frontend == "native" else 1)
                    gate.write_text("again")
                    for one in waiting:
                        np.testing.assert_array_equal(one.result(), _DATA)
                wait_until_ready(client, "slow")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_worker_that_hangs_is_killed_in_time(frontend: str, tmp_path: Path, protocol: str) -> None:
    write_python_model(tmp_path, "hanging", _HANGING)
    options = ServerOptions(["--python-worker-timeout", "1"], frontend=frontend)
    with RunningServer(tmp_path, options) as server, connect(protocol, server) as client:
        with pytest.raises(InferenceServerException) as raised:
            client.infer("hanging", {"INPUT0": _DATA})
        assert (
            "Python model instance 'hanging_0' did not answer within 1 seconds and was restarted"
            in raised.value.message()
        )
        wait_until_ready(client, "hanging")


def test_no_worker_outlives_a_killed_server(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "m", _ANNOUNCED)
    with RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server:
        workers = workers_of(server)
        assert len(workers) == 1
        os.kill(server.pid, 9)
        server.wait()
        assert [process_ends(worker.pid) for worker in workers] == [True]


def test_stopping_a_server_lets_models_finalise(frontend: str, tmp_path: Path) -> None:
    source = _ANNOUNCED + '\n        def finalize(self):\n            print("the last words")\n'
    write_python_model(tmp_path, "m", source)
    with RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server:
        (worker,) = workers_of(server)
        assert server.stop() == 0
        assert "m_0: the last words" in server.output
        assert process_ends(worker.pid)


def test_unloading_and_reloading_leaves_nothing(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "m", _ANNOUNCED)
    arguments = ["--model-control-mode", "explicit", "--load-model", "m"]
    options = ServerOptions(arguments, frontend=frontend)
    with RunningServer(tmp_path, options) as server, connect("grpc", server) as client:
        process = psutil.Process(server.pid)
        counts = []
        for _ in range(3):
            client.raw.unload_model("m")
            assert workers_of(server) == []
            client.raw.load_model("m")
            client.infer("m", {"INPUT0": _DATA})
            counts.append(process.num_fds())
        assert counts[2] <= counts[0]
        assert process.children() == workers_of(server)


def test_a_server_that_gives_up_waiting_leaves_no_worker(frontend: str, tmp_path: Path) -> None:
    source = _HANGING.replace("signal.pause()", 'print("hanging"); signal.pause()')
    write_python_model(tmp_path, "m", source)
    options = ServerOptions(["--exit-timeout-secs", "1"], frontend=frontend)
    with RunningServer(tmp_path, options) as server:
        (worker,) = workers_of(server)
        asking = threading.Thread(target=_ask_in_vain, args=(server, "m"))
        asking.start()
        server.wait_for("m_0: hanging")
        server.ask_to_stop()
        assert server.wait() == 1
        assert process_ends(worker.pid)
        asking.join()


def _ask_in_vain(server: RunningServer, model: str) -> None:
    with connect("grpc", server) as client, pytest.raises(InferenceServerException):
        client.infer(model, {"INPUT0": _DATA})
