"""Goal: a Python model whose start never ends costs nobody else anything.

Method: models that pause in `initialize` or in `auto_complete_config`, loaded from a thread.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.conftest import connect
from tests.conformance.python_models import (
    process_ends,
    worker_of,
    workers_of,
    write_python_model,
)
from tests.conformance.running_server import RunningServer, ServerOptions

_HANGS_INITIALISING = """
    import os, signal

    class TritonPythonModel:
        def initialize(self, args):
            print("worker", os.getpid(), flush=True)
            signal.pause()

        def execute(self, requests):
            pass
"""
_HANGS_COMPLETING = """
    import os, signal

    class TritonPythonModel:
        @staticmethod
        def auto_complete_config(config):
            print("worker", os.getpid(), flush=True)
            signal.pause()

        def execute(self, requests):
            pass
"""
_EXPLICIT = ("--model-control-mode", "explicit", "--load-model", "fine")
_DATA = np.array([[1, 2, 3]], np.float32)


class LoadInVain:
    """Asks for a model from a thread, and keeps what the server objects."""

    def __init__(self, server: RunningServer, model: str) -> None:
        self._server, self._model = server, model
        self.objection = ""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> str:
        """Return the objection, once there is one."""
        self._thread.join()
        return self.objection

    def _run(self) -> None:
        with connect("grpc", self._server) as client:
            try:
                client.raw.load_model(self._model)
            except InferenceServerException as error:
                self.objection = str(error.message())


@pytest.mark.parametrize(
    ("source", "instance"),
    [(_HANGS_INITIALISING, "hangs_0"), (_HANGS_COMPLETING, "hangs")],
    ids=["initialize", "auto_complete_config"],
)
def test_start_that_hangs_fails_in_time(
    frontend: str, tmp_path: Path, source: str, instance: str
) -> None:
    write_python_model(tmp_path, "hangs", source)
    write_python_model(tmp_path, "fine")
    options = ServerOptions([*_EXPLICIT, "--python-load-timeout", "5"], frontend=frontend)
    with RunningServer(tmp_path, options) as server, connect("grpc", server) as client:
        load = LoadInVain(server, "hangs")
        server.wait_for(f"{instance}: worker ")
        hanging = worker_of(server, instance)
        client.infer("fine", {"INPUT0": _DATA})  # the others go on
        client.raw.load_model("fine")
        reason = (
            f"Python model instance '{instance}' did not start within 5 seconds and its worker "
            "was killed"
        )
        assert reason in load.join()
        assert process_ends(hanging.pid)
        (entry,) = [
            model
            for model in client.raw.get_model_repository_index().models
            if model.name == "hangs"
        ]
        assert (entry.state, entry.reason) == ("UNAVAILABLE", f"Internal: {reason}")
        assert len(workers_of(server)) == 1


def test_server_stops_while_a_start_hangs(frontend: str, tmp_path: Path) -> None:
    write_python_model(tmp_path, "hangs", _HANGS_INITIALISING)
    write_python_model(tmp_path, "fine")
    options = ServerOptions([*_EXPLICIT, "--exit-timeout-secs", "1"], frontend=frontend)
    with RunningServer(tmp_path, options) as server:
        load = LoadInVain(server, "hangs")
        server.wait_for("hangs_0: worker ")
        workers = workers_of(server)
        assert len(workers) == 2
        server.ask_to_stop()
        assert server.wait() == 1
        assert all(process_ends(worker.pid) for worker in workers)
        assert load.join() != ""
