"""Warm-up samples with their data, as the core runs them.

The data of a sample is made or read here, so that what is wrong with it is known before anything
is loaded, and the core opens no file of a model's but the model. Rules and texts are those of
Triton's `model_warmup`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tritonpy.config.data_types import element_size, wire_name
from tritonpy.config.model_files import leads_out
from tritonpy.errors import InternalError, InvalidArgError, UnsupportedError
from tritonpy.protos.model_config_pb2 import (
    TYPE_INVALID,
    TYPE_STRING,
    ModelConfig,
    ModelWarmup,
)

WARMUP_DIRECTORY: Final = "warmup"
# How Triton's messages about one request start; a sample's requests have no id.
_OF_REQUEST: Final = "[request id: <id_unknown>] "
_EMPTY_STRING_SIZE: Final = 4  # the length of nothing


@dataclass(frozen=True, slots=True)
class WarmupInput:
    """One tensor of a sample, without the batch dimension; `data` is one row of it."""

    name: str
    data_type: str  # as the V2 protocol calls it
    dims: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class WarmupSample:
    """`batch_size` requests of one row that run as one batch, `count` times."""

    name: str
    batch_size: int  # 0: not run, and without inputs
    count: int
    inputs: tuple[WarmupInput, ...]


def read_warmup(config: ModelConfig, model_dir: Path) -> tuple[WarmupSample, ...]:
    """Return the warm-up samples of a config, with the data of those that run.

    Raises InvalidArgError for a sample that cannot be made, UnsupportedError for a data file that
    is not in the model's warm-up directory, InternalError for one that cannot be read.
    """
    directory = model_dir / WARMUP_DIRECTORY
    return tuple(
        WarmupSample(
            name=sample.name,
            batch_size=sample.batch_size,
            count=sample.count or 1,
            inputs=tuple(_inputs(config, sample, directory)) if sample.batch_size else (),
        )
        for sample in config.model_warmup
    )


def _inputs(config: ModelConfig, sample: ModelWarmup, directory: Path) -> Iterator[WarmupInput]:
    for name, given in sorted(sample.inputs.items()):
        if any(dim < 0 for dim in given.dims):
            raise InvalidArgError(
                "warmup setting expects all variable-size dimensions are specified for input "
                f"'{name}'"
            )
    # A sample is said to be the same whenever it is made, so that what it does is.
    chance = Random(sample.name)
    for name, given in sorted(sample.inputs.items()):
        if given.data_type == TYPE_INVALID:
            raise InvalidArgError(
                f"{_OF_REQUEST}warmup setting expects input '{name}' to have data_type set"
            )
        size = math.prod(given.dims) * (element_size(given.data_type) or _EMPTY_STRING_SIZE)
        choice = given.WhichOneof("input_data_type")
        if choice is None:
            raise InvalidArgError(
                f"{_OF_REQUEST}warmup setting expects input '{name}' to have input_data_type set"
            )
        if choice == "input_data_file":
            data = _file_data(config, name, given, size, directory)
        else:
            data = _made_data(name, given, size, chance)
        yield WarmupInput(name, wire_name(given.data_type), tuple(given.dims), data)


def _made_data(name: str, given: ModelWarmup.Input, size: int, chance: Random) -> bytes:
    is_random = given.WhichOneof("input_data_type") == "random_data"
    try:
        if is_random and given.data_type != TYPE_STRING:
            return chance.randbytes(size)
        return bytes(size)  # of strings: as many empty ones
    except (MemoryError, OverflowError) as error:
        raise InvalidArgError(
            f"{_OF_REQUEST}warmup setting asks for {size} bytes for input '{name}', which is more "
            "than there is memory for"
        ) from error


def _file_data(
    config: ModelConfig, name: str, given: ModelWarmup.Input, size: int, directory: Path
) -> bytes:
    file = given.input_data_file
    if leads_out(file):
        raise UnsupportedError(
            f"warmup data file path '{file}' for input '{name}' in model '{config.name}' is "
            "outside warmup directory"
        )
    path = directory / file
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: the name holds a zero
        raise InternalError(f"failed to open text file for read {path}: {error}") from error
    if given.data_type == TYPE_STRING:
        return data
    if len(data) < size:
        raise InvalidArgError(
            f"{_OF_REQUEST}warmup setting expects {size} bytes, but the data provided from "
            f"{file}only has {len(data)} bytes"
        )
    return data[:size]
