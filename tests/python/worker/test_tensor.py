"""Goal: tensors keep data, shape and type through numpy, DLPack and the BYTES serialisation.

Method: values in, values out; capsules go through numpy, and BF16 ones through our own reader.
"""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tritonpy.worker.triton_python_backend_utils as pb_utils
from tritonpy.worker import bytes_tensor
from tritonpy.worker.data_types import BF16, NUMPY_TYPES, STRING


class Owner:
    """An object with both DLPack methods, on a device of choice."""

    def __init__(self, array: Any, device: tuple[int, int] = (1, 0)) -> None:
        self._array = array
        self._device = device

    def __dlpack__(self, **_: object) -> object:
        return self._array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


def on_gpu() -> object:
    """Return a capsule that says of an array's memory that a GPU has it."""
    capsule = numpy.zeros(2).__dlpack__()
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    ctypes.c_int32.from_address(int(get(capsule, b"dltensor")) + 8).value = 2  # behind the data
    return capsule


@pytest.mark.parametrize("code", sorted(NUMPY_TYPES))
def test_every_type_has_a_numpy_type_and_back(code: int) -> None:
    assert pb_utils.numpy_to_triton_type(NUMPY_TYPES[code]) == code
    assert pb_utils.triton_to_numpy_type(code) is NUMPY_TYPES[code]
    tensor = pb_utils.Tensor("x", numpy.zeros((2, 1), NUMPY_TYPES[code]))
    assert (tensor.triton_dtype(), tensor.shape(), tensor.is_cpu()) == (code, [2, 1], True)


def test_config_types_have_numpy_types() -> None:
    assert pb_utils.triton_string_to_numpy("TYPE_FP16") is numpy.float16
    assert pb_utils.triton_string_to_numpy("TYPE_STRING") is numpy.object_
    assert pb_utils.triton_string_to_numpy("TYPE_BF16") is None


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f2", "f4", "f8"])
def test_dlpack_shares_memory_both_ways(dtype: str) -> None:
    array = numpy.arange(6).astype(dtype).reshape(2, 3)
    tensor = pb_utils.Tensor("x", array)
    assert tensor.__dlpack_device__() == (1, 0)
    back = pb_utils.Tensor.from_dlpack("y", tensor.to_dlpack())
    through_object = pb_utils.Tensor.from_dlpack("z", tensor)
    for taken in (back, through_object):
        assert taken.as_numpy().tolist() == array.tolist()
        assert taken.as_numpy().dtype == array.dtype
        assert numpy.shares_memory(taken.as_numpy(), array)
    assert back.name() == "y"


def test_bf16_crosses_by_dlpack_but_has_no_numpy_view() -> None:
    array = numpy.array([1.5, -2], dtype=ml_dtypes.bfloat16)
    tensor = pb_utils.Tensor("x", array)
    assert tensor.triton_dtype() == BF16
    with pytest.raises(pb_utils.TritonModelException) as error:
        tensor.as_numpy()
    assert str(error.value) == (
        "Tensor dtype is BF16 and cannot be converted to NumPy. "
        "Use to_dlpack() and from_dlpack() instead."
    )
    back = pb_utils.Tensor.from_dlpack("y", tensor.to_dlpack())
    assert back.triton_dtype() == BF16
    assert back._array is not None
    assert back._array.view(ml_dtypes.bfloat16).tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: pb_utils.Tensor("x", numpy.array([b"a"], dtype=object)).to_dlpack(),
            "DLPack does not have support for string tensors.",
        ),
        (
            lambda: pb_utils.Tensor.from_dlpack("x", Owner(numpy.zeros((2, 3)).T)),
            "DLPack tensor is not contiguous. Only contiguous DLPack tensors that are stored in "
            "C-Order are supported.",
        ),
        (
            lambda: pb_utils.Tensor.from_dlpack("", Owner(numpy.zeros(2))),
            "Tensor name cannot be an empty string.",
        ),
        (
            lambda: pb_utils.Tensor.from_dlpack("x", on_gpu()),
            "Tensor is stored in GPU and cannot be converted to NumPy.",
        ),
        (
            lambda: pb_utils.Tensor.from_dlpack("x", 5),
            "DLPack tensor must be a capsule or have __dlpack__ and __dlpack_device__, found type "
            "'<class 'int'>'",
        ),
    ],
)
def test_what_dlpack_cannot_do_is_told(make: Any, message: str) -> None:
    with pytest.raises(pb_utils.TritonModelException) as error:
        make()
    assert str(error.value) == message


def test_capsule_can_be_used_once() -> None:
    capsule = pb_utils.Tensor("x", numpy.zeros(2)).to_dlpack()
    pb_utils.Tensor.from_dlpack("y", capsule)
    with pytest.raises(pb_utils.TritonModelException, match="used already"):
        pb_utils.Tensor.from_dlpack("y", capsule)


@given(st.lists(st.binary()))
def test_bytes_round_trip(items: list[bytes]) -> None:
    array = numpy.empty(len(items), dtype=object)
    array[:] = items
    data = bytes_tensor.serialize(array)
    assert bytes_tensor.deserialize(data).tolist() == items
    if items:
        helper = pb_utils.serialize_byte_tensor(array)
        assert helper is not None
        assert pb_utils.deserialize_bytes_tensor(helper.item()).tolist() == items


def test_strings_of_numpy_types_serialise_as_their_text() -> None:
    expected = b"\x02\0\0\0ab\x01\0\0\0c"
    for array in (numpy.array(["ab", "c"]), numpy.array([b"ab", b"c"])):
        assert bytes_tensor.serialize(array) == expected
        assert pb_utils.Tensor("x", array).triton_dtype() == STRING
    assert pb_utils.serialize_byte_tensor(numpy.zeros(3)) is None


@pytest.mark.parametrize("data", [b"\x01", b"\x05\0\0\0abc", b"\0\0\0\0\xff\xff\xff\xff"])
def test_cut_bytes_tensors_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="a BYTES tensor"):
        bytes_tensor.deserialize(data)


def test_tensors_are_found_by_name() -> None:
    tensors = [pb_utils.Tensor(name, numpy.zeros(1)) for name in ("a", "b")]
    request = pb_utils.InferenceRequest(model_name="m", inputs=tensors)
    response = pb_utils.InferenceResponse(tensors)
    assert pb_utils.get_input_tensor_by_name(request, "b") is tensors[1]
    assert pb_utils.get_output_tensor_by_name(response, "a") is tensors[0]
    assert pb_utils.get_input_tensor_by_name(request, "c") is None
    assert pb_utils.get_output_tensor_by_name(response, "c") is None
