"""Backends that are Python programs: one `model.py` in the backend directory runs all models.

The models of such a backend are a config and data. Their workers are told the model's directory,
as every worker is, and import the backend's file in place of a file of the model's own. An archive
`pb_exec_env_<file>.tar.gz` beside that file is the environment of models that name none.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from tritonpy.backends.backend import Backend
from tritonpy.backends.python import PYTHON, complete_python
from tritonpy.config.model_files import leads_out
from tritonpy.errors import InvalidArgError, UnsupportedError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.worker_host import WorkerSpec, worker_spec

_FILE: Final = "model.py"


def find_python_based(config: ModelConfig, backends: Path) -> Backend | None:
    """Return the backend that `config` names, if `backends` has it; None where there is none.

    `runtime` is the name of its file, model.py where the config gives none. Raises InvalidArgError
    for names that lead out of the directory or to no file, UnsupportedError for what is no Python.
    """
    if Path(config.backend).name != config.backend or config.backend == "..":
        return None
    home = backends / config.backend
    if leads_out(config.runtime):
        raise InvalidArgError(
            f"backend library name '{config.runtime}' escapes backend directory '{home}', for "
            f"model '{config.name}', check model config runtime field"
        )
    library = home / (config.runtime or f"libtriton_{config.backend}.so")
    if library.suffix == ".so" and library.is_file():
        raise UnsupportedError(
            f"backend '{config.backend}' of model '{config.name}' is the shared library "
            f"'{library}', and this server runs only backends that are Python"
        )
    file = home / (config.runtime or _FILE)
    if file.suffix == ".py" and file.is_file():
        return _python_based(config.backend, file)
    if config.runtime:
        raise InvalidArgError(
            f"unable to find backend library '{config.runtime}' for model '{config.name}', "
            f"searched: {home}"
        )
    return None


def _python_based(name: str, file: Path) -> Backend:
    archive = file.with_name(f"pb_exec_env_{file.name}.tar.gz")
    make_spec = partial(_spec, str(archive.absolute())) if archive.is_file() else worker_spec
    return replace(
        PYTHON,
        name=name,
        file=file,
        executor=PYTHON.name,
        complete=partial(complete_python, make_spec=make_spec),
        worker_spec=make_spec,
    )


def _spec(
    environment: str, config: ModelConfig, version: int, file: Path, directory: Path
) -> WorkerSpec:
    spec = worker_spec(config, version, file, directory)
    return spec if spec.execution_env_path else replace(spec, execution_env_path=environment)
