"""Goal: the options of Python models are understood, Triton's that mean nothing here among them.

Method: command lines and what becomes of them.
"""

from __future__ import annotations

import pytest

from tritonpy.options import OptionError, ParsedOptions, PythonOptions, parse_options


def _parsed(*arguments: str) -> ParsedOptions:
    return parse_options(["--repo=/models", *arguments], {})


def test_workers_of_python_models_have_timeouts() -> None:
    given = _parsed(
        "--python-worker-timeout=7",
        "--python-load-timeout=9",
        "--backend-config=python,stub-timeout-seconds=5",
    ).options
    assert given.repository.python_worker_timeout_s == 7
    assert given.python == PythonOptions(stub_timeout_s=5, load_timeout_s=9)
    default = _parsed().options
    assert default.repository.python_worker_timeout_s == 0
    assert default.python == PythonOptions(stub_timeout_s=30, load_timeout_s=0)
    with pytest.raises(OptionError, match=r"^--backend-config stub-timeout-seconds: Provided"):
        _parsed("--backend-config=python,stub-timeout-seconds=0")


def test_settings_of_the_python_backend_are_known() -> None:
    settings = (
        "shm-default-byte-size=1048576",
        "shm-growth-byte-size=1048576",
        "shm-region-prefix-name=x",
        "shm_message_queue_size=1000",
        "stub-timeout-seconds=30",
        "thread-pool-size=32",
    )
    assert _parsed(*(f"--backend-config=python,{setting}" for setting in settings)).warnings == ()
    assert _parsed("--backend-config=onnxruntime,thread-pool-size=1").warnings == (
        "'--backend-config' thread-pool-size is accepted but has no effect yet",
    )
