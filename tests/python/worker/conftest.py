"""Fixtures of the worker's tests: a worker process that runs a model written by the test."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.python.worker.fake_server import PROGRAM, FakeServer

Start = Callable[..., FakeServer]

PREAMBLE = "import numpy as np\nimport triton_python_backend_utils as pb_utils\n"


def tensor(
    name: str, data_type: str = "TYPE_FP32", dims: tuple[int, ...] = (-1,)
) -> dict[str, Any]:
    """Return a tensor of a config."""
    return {"name": name, "data_type": data_type, "dims": list(dims)}


def config_of(**fields: Any) -> dict[str, Any]:
    """Return a config with one FP32 input and output, but for `fields`."""
    io = {"input": [tensor("IN")], "output": [tensor("OUT")]}
    return {"name": "m", "max_batch_size": 0, **io, **fields}


def write_model(root: Path, source: str) -> Path:
    """Write a model's file and return its path."""
    path = root / "m" / "1" / "model.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PREAMBLE + textwrap.dedent(source))
    return path


@pytest.fixture
def program() -> Path:
    """Return the folder that is a worker's program."""
    return PROGRAM


@pytest.fixture
def start(tmp_path: Path, program: Path) -> Iterator[Start]:
    """Start a worker on a model's source, and wait until it is ready unless told otherwise."""
    with ExitStack() as stack:

        def run(
            source: str,
            config: dict[str, Any] | None = None,
            wait_for: str = "ready",
            **options: Any,
        ) -> FakeServer:
            path = write_model(tmp_path, source)
            server = stack.enter_context(
                FakeServer(path, config or config_of(), program=program, **options)
            )
            if wait_for:
                server.started = server.next_control(wait_for)
            return server

        yield run
