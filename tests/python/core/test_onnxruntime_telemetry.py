"""Goal: ONNX Runtime, which tells its maker what it runs, is told not to.

Method: a process of its own with a home of its own, for the library decides once in a process; it
must have left nothing there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.model_files import add_sub_model

_PROGRAM = """
import os, sys
from tritonpy.core import Core, Log, onnxruntime_library_path
Core(Log(), onnxruntime_library_path()).describe_onnx_model(sys.argv[1])
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""
# With one of these the library tells nothing anyway, or elsewhere.
_DECIDING = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY")


@pytest.mark.parametrize(("chosen", "expected"), [({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")])
def test_telemetry_is_off_unless_the_environment_says_otherwise(
    tmp_path: Path, chosen: dict[str, str], expected: str
) -> None:
    model, home = tmp_path / "model.onnx", tmp_path / "home"
    model.write_bytes(add_sub_model().SerializeToString())
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in _DECIDING}
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(model)],
        check=False,
        capture_output=True,
        text=True,
        env={**environment, "HOME": str(home), **chosen},
    )
    assert ran.stdout == f"{expected}\n", ran.stderr
    if expected == "1":
        assert not list(home.rglob("*onnxruntime*"))
