"""Goal: a server answers before it has imported what its first answers do without.

Method: the interpreter says each module that it imports, in the output that also has the log.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.conformance.model_files import add_sub_model, write_onnx
from tests.conformance.running_server import RunningServer, ServerOptions

_MODEL: Final = "add_sub"
# Each of them takes tens of milliseconds.
_LATE: Final = ("grpc", "numpy", "starlette", "uvicorn")
_NEVER: Final = ("importlib.metadata", "onnx", "onnxruntime")


def _imported(output: str) -> set[str]:
    """Return the modules that were imported in a part of the output."""
    lines = (line for line in output.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def test_native_sockets_listen_before_the_control_plane_is_imported(tmp_path: Path) -> None:
    write_onnx(tmp_path, _MODEL, add_sub_model())
    saying = ServerOptions(environment={"PYTHONPROFILEIMPORTTIME": "1"})
    with RunningServer(tmp_path, saying) as server:
        before, _, after = server.output.partition("Started HTTPService")
    early = _imported(before)
    assert "tritonpy.server" in early  # else nothing was said
    assert not early & {*_LATE, *_NEVER}
    assert set(_LATE) <= _imported(after)
