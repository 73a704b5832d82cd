"""One mistake that somebody makes in a repository, and the good config that it is made in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.model_files import add_sub_model, write_onnx


@dataclass(frozen=True, slots=True)
class Mistake:
    """A repository of model `m` with one mistake in it."""

    name: str
    config: str | None  # of m, in place of a good one; None: there is no config.pbtxt
    place: str  # in the config: the line, and the field where one is named; else the file
    fix: str  # a part of what to do
    files: Mapping[str, str] = field(default_factory=dict)  # besides, by path in the repository
    onnx: bool = False  # m is an ONNX model, else one that needs no file


def write_mistake(repository: Path, mistake: Mistake) -> None:
    """Make the repository."""
    if mistake.onnx:
        write_onnx(repository, "m", add_sub_model())
    files = dict(mistake.files)
    if mistake.config is not None:
        files["m/config.pbtxt"] = mistake.config
    if not any(path.startswith("m/") and path.count("/") > 1 for path in files):
        (repository / "m" / "1").mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        file = repository / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


IO = """
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""
GOOD = f'backend: "identity"\nmax_batch_size: 4{IO}'


def with_input(new: str) -> str:
    """Return a good config whose input is another, on line 3."""
    return GOOD.replace('name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ]', new)


def with_output(new: str) -> str:
    """Return a good config whose output is another, on line 4."""
    return GOOD.replace('name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ]', new)
