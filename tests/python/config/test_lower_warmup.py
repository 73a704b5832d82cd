"""Goal: warm-up samples come with the bytes that their config asks for, or with Triton's text.

Method: configs lowered in a directory with data files; bytes compared; one mistake at a time.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonpy.config import WarmupInput, WarmupSample, data_type_of, parse_config, read_warmup
from tritonpy.config.data_types import DATA_TYPES, element_size, wire_name
from tritonpy.errors import InternalError, InvalidArgError, TritonError, UnsupportedError
from tritonpy.protos.model_config_pb2 import TYPE_INVALID

_OF_REQUEST = "[request id: <id_unknown>] "


def _read(text: str, directory: Path) -> tuple[WarmupSample, ...]:
    return read_warmup(parse_config(f'name: "m" {text}', "config.pbtxt"), directory)


def _sample(value: str, rest: str = "") -> str:
    inputs = f'inputs {{ key: "x" value {{ {value} }} }}'
    return f'model_warmup {{ name: "s" batch_size: 2 {inputs} {rest} }}'


def _data_of(value: str, directory: Path) -> bytes:
    ((only,),) = (sample.inputs for sample in _read(_sample(value), directory))
    return only.data


def test_zero_data_is_one_row_of_zeros(tmp_path: Path) -> None:
    assert _read(_sample("data_type: TYPE_FP32 dims: [ 2, 3 ] zero_data: true"), tmp_path) == (
        WarmupSample("s", 2, 1, (WarmupInput("x", "FP32", (2, 3), bytes(24)),)),
    )


def test_inputs_are_in_the_order_of_their_names_and_count_is_kept(tmp_path: Path) -> None:
    another = 'inputs { key: "a" value { data_type: TYPE_BOOL dims: 1 zero_data: true } }'
    text = _sample("data_type: TYPE_FP64 zero_data: true", f"{another} count: 7")
    (sample,) = _read(text, tmp_path)
    assert sample.count == 7
    assert [(tensor.name, len(tensor.data)) for tensor in sample.inputs] == [("a", 1), ("x", 8)]


def test_random_data_is_the_same_each_time_and_not_zeros(tmp_path: Path) -> None:
    value = "data_type: TYPE_INT64 dims: 4 random_data: true"
    data = _data_of(value, tmp_path)
    assert len(data) == 32
    assert any(data)
    assert _data_of(value, tmp_path) == data


def test_random_strings_are_empty_ones(tmp_path: Path) -> None:
    value = "data_type: TYPE_STRING dims: [ 2, 2 ]"
    assert _data_of(f"{value} random_data: true", tmp_path) == bytes(16)
    assert _data_of(f"{value} zero_data: true", tmp_path) == bytes(16)


@pytest.mark.parametrize("data_type", [one for one in DATA_TYPES if one != TYPE_INVALID])
def test_every_data_type_has_its_size(data_type: int) -> None:
    wire = wire_name(data_type)  # type: ignore[arg-type]
    bits = {"BOOL": 8, "BF16": 16, "BYTES": 0}.get(wire)
    bits = int(wire.strip("UINTFP")) if bits is None else bits
    assert element_size(data_type_of(wire)) == bits // 8


def test_file_gives_its_first_bytes_or_all_strings(tmp_path: Path) -> None:
    (tmp_path / "warmup" / "sub").mkdir(parents=True)
    (tmp_path / "warmup" / "sub" / "data").write_bytes(b"0123456789")
    file = 'input_data_file: "sub/../sub/data"'
    assert _data_of(f"data_type: TYPE_INT32 dims: 2 {file}", tmp_path) == b"01234567"
    assert _data_of(f"data_type: TYPE_STRING dims: 2 {file}", tmp_path) == b"0123456789"


def test_sample_of_no_requests_is_kept_without_its_inputs(tmp_path: Path) -> None:
    text = 'model_warmup { name: "none" inputs { key: "x" value { dims: -1 } } }'
    assert _read(text, tmp_path) == (WarmupSample("none", 0, 1, ()),)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (
            "data_type: TYPE_FP32 dims: [ 2, -1 ] zero_data: true",
            InvalidArgError,
            "warmup setting expects all variable-size dimensions are specified for input 'x'",
        ),
        (
            "data_type: TYPE_FP32 dims: 1",
            InvalidArgError,
            f"{_OF_REQUEST}warmup setting expects input 'x' to have input_data_type set",
        ),
        (
            "dims: 1 zero_data: true",
            InvalidArgError,
            f"{_OF_REQUEST}warmup setting expects input 'x' to have data_type set",
        ),
        (
            'data_type: TYPE_FP32 dims: 3 input_data_file: "eight"',
            InvalidArgError,
            f"{_OF_REQUEST}warmup setting expects 12 bytes, but the data provided from eightonly "
            "has 8 bytes",
        ),
        (
            "data_type: TYPE_FP32 dims: [ 4611686018427387904, 9 ] zero_data: true",
            InvalidArgError,
            f"{_OF_REQUEST}warmup setting asks for 166020696663385964544 bytes for input 'x', "
            "which is more than there is memory for",
        ),
    ],
)
def test_sample_that_cannot_be_made_says_why(
    tmp_path: Path, value: str, kind: type[TritonError], text: str
) -> None:
    (tmp_path / "warmup").mkdir()
    (tmp_path / "warmup" / "eight").write_bytes(bytes(8))
    with pytest.raises(kind) as error:
        _read(_sample(value), tmp_path)
    assert error.value.message == text


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "a/../../secret"])
def test_file_outside_of_the_directory_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(4))
    with pytest.raises(UnsupportedError) as error:
        _read(_sample(f'data_type: TYPE_FP32 dims: 1 input_data_file: "{file}"'), tmp_path)
    assert error.value.message == (
        f"warmup data file path '{file}' for input 'x' in model 'm' is outside warmup directory"
    )


@pytest.mark.parametrize("file", ["nowhere", "."])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, file: str) -> None:
    (tmp_path / "warmup").mkdir()
    with pytest.raises(InternalError) as error:
        _read(_sample(f'data_type: TYPE_FP32 dims: 1 input_data_file: "{file}"'), tmp_path)
    path = tmp_path / "warmup" / file
    assert error.value.message.startswith(f"failed to open text file for read {path}: ")
