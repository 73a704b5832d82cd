"""Python models for tests, and what tests ask of servers that run some."""

from __future__ import annotations

import os
import select
import shutil
import textwrap
from pathlib import Path

import psutil

from tests.conformance.clients import Client
from tests.conformance.running_server import RunningServer

EXAMPLES = Path(__file__).parents[2] / "examples" / "python_models"
# How long something that hangs may keep a test from failing; nothing is measured against it.
_GUARD_S = 60
# Questions until something must have happened: minutes, where it takes milliseconds.
_QUESTIONS_MAX = 100_000
IDENTITY_CONFIG = """
    backend: "python"
    max_batch_size: 8
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
"""
IDENTITY = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", r.inputs()[0].as_numpy())])
                for r in requests
            ]
"""


def write_python_model(
    repository: Path, name: str, source: str = IDENTITY, config: str = IDENTITY_CONFIG
) -> Path:
    """Write a model of one version; return its file."""
    file = repository / name / "1" / "model.py"
    file.parent.mkdir(parents=True)
    file.write_text(textwrap.dedent(source))
    (repository / name / "config.pbtxt").write_text(config)
    return file


def write_examples(repository: Path) -> None:
    """Write the example models as they are."""
    shutil.copytree(EXAMPLES, repository, dirs_exist_ok=True)


def wait_until_ready(client: Client, model: str) -> None:
    """Return when a model is ready."""
    for _ in range(_QUESTIONS_MAX):
        if client.raw.is_model_ready(model):
            return
    raise AssertionError(f"'{model}' was never ready again")


def workers_of(server: RunningServer) -> list[psutil.Process]:
    """Return the processes that the server has started and that run."""
    children = psutil.Process(server.pid).children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def worker_of(server: RunningServer, instance: str) -> psutil.Process:
    """Return the worker of an instance whose model prints `worker <pid>` as it is initialised."""
    lines = [line for line in server.output.splitlines() if f"{instance}: worker " in line]
    return psutil.Process(int(lines[-1].rpartition(" ")[2].rstrip('"')))


def process_ends(pid: int) -> bool:
    """Whether a process ends; waits for it."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    ended = bool(poll.poll(_GUARD_S * 1000))
    os.close(watched)
    return ended
