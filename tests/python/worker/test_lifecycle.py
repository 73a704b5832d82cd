"""Goal: a worker's start, end and failures tell the server what it needs, in Triton's texts.

Method: real worker processes with broken and whole models, under a fake server.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.python.worker.conftest import Start, config_of, tensor
from tests.python.worker.fake_server import FakeServer, Request, fp32

SOUND = """
class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse() for _ in requests]
"""


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("def broken(:\n", ["SyntaxError", "model.py"]),
        ("", ["AttributeError: module '1.model' has no attribute 'TritonPythonModel'"]),
        ("import nothing_of_that_name", ["No module named 'nothing_of_that_name'"]),
        ("class TritonPythonModel: pass", ["has no attribute 'execute'"]),
        (
            SOUND + "    def initialize(self, args):\n        undefined_variable\n",
            ["name 'undefined_variable' is not defined", "At:", "): initialize"],
        ),
        (SOUND + "    def initialize(self, args): exit(4)\n", ["SystemExit: 4"]),
        (SOUND + "    def __init__(self): raise ValueError('no')\n", ["ValueError: no"]),
    ],
)
def test_model_that_cannot_start_says_why(start: Start, source: str, texts: list[str]) -> None:
    server = start(source, wait_for="failed")
    for text in texts:
        assert text in server.started["error"]
    assert server.process.wait() == 1


def test_missing_file_is_told_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "1" / "model.py"
    with FakeServer(path, config_of()) as server:
        assert server.next_control("failed")["error"] == (
            f"Python model file not found in '{path}'"
        )


def test_initialize_gets_seven_strings(start: Start) -> None:
    server = start(
        SOUND
        + """
    def initialize(self, args):
        assert all(type(value) is str for value in args.values())
        print(sorted(args))
        print(args["model_name"], args["model_version"], args["model_instance_name"])
"""
    )
    server.unload()
    lines = server.process.communicate()[0].decode().splitlines()
    assert lines == [
        "['model_config', 'model_instance_device_id', 'model_instance_kind', "
        "'model_instance_name', 'model_name', 'model_repository', 'model_version']",
        "m 1 m_0_0",
    ]


def test_modules_beside_the_model_can_be_imported_and_ours_do_not_hide_them(
    start: Start, tmp_path: Path
) -> None:
    version = tmp_path / "m" / "1"
    version.mkdir(parents=True)
    (version / "tensor.py").write_text("WORD = 'beside'\n")
    (tmp_path / "m" / "request.py").write_text("WORD = 'above'\n")
    (version / "relative.py").write_text("WORD = 'relative'\n")
    server = start(
        "import tensor, request, tritonpy\nfrom . import relative\n"
        + SOUND
        + "    def finalize(self):\n"
        + "        print(tensor.WORD, request.WORD, relative.WORD, pb_utils.get_model_dir())\n"
    )
    assert server.unload() == 0
    assert server.process.communicate()[0].decode() == f"beside above relative {tmp_path / 'm'}\n"
    assert not list(tmp_path.rglob("__pycache__"))


def test_unload_runs_finalize_and_ends_though_threads_remain(start: Start) -> None:
    server = start(
        SOUND
        + """
    def finalize(self):
        import threading
        threading.Thread(target=threading.Event().wait).start()
        print("finalized", end="")
        raise RuntimeError("told in the log")
"""
    )
    server.execute(Request({0: fp32([1])}))
    assert server.unload() == 0
    output, errors = server.process.communicate()
    assert output == b"finalized"
    assert b"RuntimeError: told in the log" in errors


def test_worker_ends_when_the_control_channel_does(start: Start) -> None:
    server = start(SOUND + "    def finalize(self): print('finalized')\n")
    server._control.shutdown(2)
    assert server.process.wait() == 1
    assert server.process.communicate()[0] == b""


def test_interrupt_is_left_to_the_server(start: Start) -> None:
    server = start(SOUND)
    server.process.send_signal(signal.SIGINT)
    assert server.execute(Request({0: fp32([1])}))[0].error is None


def test_death_is_seen_although_a_child_of_the_model_lives_on(start: Start) -> None:
    server = start(
        """
import multiprocessing, os, sys, threading
class TritonPythonModel:
    def execute(self, requests):
        told, child = multiprocessing.get_context("fork").Pipe()
        process = multiprocessing.get_context("fork").Process(target=live, args=(child,))
        process.start()
        told.recv()
        print(process.pid, flush=True)
        os._exit(9)
def live(child):
    child.send("alive")
    os.close(1), os.close(2)
    threading.Event().wait()
"""
    )
    server.begin([Request({0: fp32([1])})])
    assert server._execute.recv(1) == b""
    assert server._calls.recv(1) == b""
    assert server.next_control_is_end()
    server.kill_child(int(server.process.communicate()[0]))
    assert server.process.returncode == 9


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("body", "value", "error"),
    [
        ("return True", True, None),
        ("return False", False, None),
        ("return 1", False, "is_ready() must return a bool, found type '<class 'int'>'"),
    ],
)
def test_is_ready_is_asked_while_the_model_executes(
    start: Start, kind: str, body: str, value: bool, error: str | None
) -> None:
    server = start(SOUND + f"    {kind} is_ready(self): {body}\n")
    assert server.started == {"op": "ready", "has_is_ready": True}
    server.send_control({"op": "is_ready", "id": 3})
    answer = server.next_control("answer")
    assert answer == {"op": "answer", "id": 3, "value": value, "error": error}


def test_auto_complete_completes_the_config(start: Start) -> None:
    server = start(
        """
class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.set_max_batch_size(4)
        config.set_dynamic_batching()
        config.add_input({"name": "IN", "data_type": "TYPE_FP32", "dims": [3]})
        config.add_output({"name": "OUT", "data_type": "TYPE_INT32", "dims": [-1]})
        assert pb_utils.get_model_dir().endswith("/m")
        return config
""",
        {"name": "m", "max_batch_size": 0},
        mode="auto_complete",
        wait_for="completed",
    )
    assert server.started["config"] == {
        "name": "m",
        "max_batch_size": 4,
        "dynamic_batching": {},
        "input": [tensor("IN", dims=(3,))],
        "output": [tensor("OUT", "TYPE_INT32")],
    }
    assert server.process.wait() == 0


def test_model_without_auto_complete_has_nothing_to_say(start: Start) -> None:
    server = start(SOUND, mode="auto_complete", wait_for="completed")
    assert server.started["config"] is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "return None",
            "auto_complete_config function in model 'm' must return a valid pb.ModelConfig object.",
        ),
        ("undefined_variable", "NameError: name 'undefined_variable' is not defined"),
        (
            "pb_utils.load_model('other')",
            "TritonModelException: This works only in a Python model that is served, not in "
            "'auto_complete_config'.",
        ),
    ],
)
def test_auto_complete_that_fails_says_why(start: Start, body: str, text: str) -> None:
    server = start(
        f"class TritonPythonModel:\n    def auto_complete_config(config):\n        {body}\n",
        mode="auto_complete",
        wait_for="failed",
    )
    assert server.started["error"].startswith(text)
