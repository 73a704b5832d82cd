"""Finds the class of an agent by its name."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from tritonpy.errors import InternalError, InvalidArgError, NotFoundError, UnsupportedError
from tritonpy.repository.agents import checksum

_CLASS = "TritonRepositoryAgent"


def make_agent(name: str, agents: Path) -> Any:
    """Return a new agent. A file of that name counts before what comes with the server.

    Raises TritonError where there is none, where it is compiled, and where its file is wrong.
    """
    if not name or name.startswith(".") or "/" in name:
        raise InvalidArgError(f"invalid name of a repository agent: '{name}'")
    directory = agents / name
    file = directory / "agent.py"
    if file.is_file():
        return _import(name, file)
    if name == "checksum":
        return checksum.TritonRepositoryAgent()
    library = directory / f"libtritonrepoagent_{name}.so"
    if library.exists():
        raise UnsupportedError(
            f"repo agent '{name}' is compiled, '{library}': only agents that are Python programs "
            f"run here, from '{file}'"
        )
    raise NotFoundError(f"unable to find 'agent.py' for repo agent '{name}', searched: {directory}")


def _import(name: str, file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"tritonpy_repository_agent_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return getattr(module, _CLASS)()
    except Exception as error:  # it is the operator's program
        raise InternalError(
            f"repo agent '{name}' cannot be used, '{file}': {type(error).__name__}: {error}"
        ) from error
