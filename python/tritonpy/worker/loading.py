"""Importing a model's file, and finding the model in it."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, Final

from tritonpy.worker.simple_model import SimpleModel


class ModelFileError(Exception):
    """The model's file cannot be what was meant; the text is for whoever loads it."""


_CLASS: Final = "TritonPythonModel"


def import_model(path: str) -> ModuleType:
    """Import the file at `path` as module `<version>.model`.

    Modules beside it, and beside its version's directory, can be imported by it. Raises what the
    file raises, and ModelFileError if there is none.
    """
    if not os.path.isfile(path):
        raise ModelFileError(f"Python model file not found in '{path}'")
    version_directory = os.path.dirname(os.path.abspath(path))
    model_directory = os.path.dirname(version_directory)
    sys.path.extend((model_directory, version_directory))
    stem = os.path.splitext(os.path.basename(path))[0]
    version = os.path.basename(version_directory)
    name = f"{version.replace('.', '_')}.{stem.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelFileError(f"Python model file '{path}' is no Python source")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def model_class(module: ModuleType) -> Any:
    """Return what makes the model: its class, or what `@tritonpy.model` stands before.

    AttributeError where the module has neither, ModelFileError where it has several.
    """
    found = getattr(module, _CLASS, None)
    if found is not None:
        return found
    simple = [thing for thing in vars(module).values() if isinstance(thing, SimpleModel)]
    if len({id(thing) for thing in simple}) > 1:
        names = ", ".join(sorted({thing.name for thing in simple}))
        raise ModelFileError(f"'{module.__name__}' has more than one model: {names}")
    if simple:
        return simple[0].model_class()
    raise AttributeError(f"module '{module.__name__}' has no attribute '{_CLASS}'")
