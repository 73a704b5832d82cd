"""The program of a worker process: `<python> <this folder> --execute-fd N ...`.

The interpreter may be any CPython 3.9+ with numpy, in which nothing of ours is installed. So this
makes the package importable itself, from where this file lies, and leaves `sys.path` to the model.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys

_PACKAGE = "tritonpy"
_API = "triton_python_backend_utils"


def _make_package_importable() -> None:
    """Put our package into `sys.modules`; take this folder, which Python added, off the path."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != folder]
    package = os.path.dirname(folder)
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, os.path.join(package, "__init__.py"), submodule_search_locations=[package]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = module
    spec.loader.exec_module(module)


def _name_the_api() -> None:
    """Make `import triton_python_backend_utils` find what models program against."""
    api = importlib.import_module(f"{_PACKAGE}.worker.{_API}")
    sys.modules[_API] = api
    sys.modules["c_python_backend_utils"] = api


def main() -> int:
    """Run a worker until the server ends it; return the exit code."""
    parser = argparse.ArgumentParser(description="The worker process of a Python model.")
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--parent-pid", type=int, default=0)
    for channel in ("execute", "executed", "answers", "calls", "inputs", "outputs"):
        parser.add_argument(f"--{channel}-fd", type=int, default=-1)
    arguments = parser.parse_args()
    # A model's folder is watched for changes, so nothing is written there that it did not bring.
    sys.dont_write_bytecode = True
    _make_package_importable()
    process = importlib.import_module(f"{_PACKAGE}.worker.process")
    process.settle(arguments.parent_pid)
    _name_the_api()
    lifecycle = importlib.import_module(f"{_PACKAGE}.worker.lifecycle")
    return int(
        lifecycle.run(
            lifecycle.Descriptors(
                control=arguments.control_fd,
                execute=arguments.execute_fd,
                executed=arguments.executed_fd,
                answers=arguments.answers_fd,
                calls=arguments.calls_fd,
                inputs=arguments.inputs_fd,
                outputs=arguments.outputs_fd,
            )
        )
    )


if __name__ == "__main__":
    code = main()
    importlib.import_module(f"{_PACKAGE}.worker.process").end(code)
