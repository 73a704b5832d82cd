"""Goal: an ONNX model completes its config by Triton's rules, and a config that lies is refused.

Method: signatures of a few shapes against configs; completed tensors and whole messages compared.
"""

from __future__ import annotations

import pytest

from tritonpy.config import ModelConfig, OnnxSignature, OnnxTensor, parse_config
from tritonpy.config.onnx_signature import complete_from_signature, require_matching
from tritonpy.errors import InvalidArgError

BATCHING = OnnxSignature(
    inputs=(OnnxTensor("x", "FP32", (-1, 3)), OnnxTensor("s", "BYTES", (-1,))),
    outputs=(OnnxTensor("y", "BF16", (-1, -1, 2)),),
)
FIXED = OnnxSignature(
    inputs=(OnnxTensor("x", "FP32", (-1, 3)), OnnxTensor("n", "INT64", ())),
    outputs=(OnnxTensor("y", "BOOL", (0, 2)),),
)


def completed(text: str, signature: OnnxSignature, default: int = 4) -> ModelConfig:
    config = parse_config(f'name: "m" backend: "onnxruntime" {text}', "config.pbtxt")
    return complete_from_signature(config, signature, default)


def expected(text: str) -> ModelConfig:
    return parse_config(f'name: "m" backend: "onnxruntime" {text}', "expected")


BATCHING_IO = """
    input { name: "x" data_type: TYPE_FP32 dims: 3 }
    input { name: "s" data_type: TYPE_STRING dims: 1 reshape { } }
    output { name: "y" data_type: TYPE_BF16 dims: [ -1, 2 ] }
"""


@pytest.mark.parametrize(
    ("text", "default", "result"),
    [
        ("", 4, "max_batch_size: 4 dynamic_batching { }"),
        ("max_batch_size: 0", 4, "max_batch_size: 4 dynamic_batching { }"),
        ("", 1, "max_batch_size: 1"),
        ("max_batch_size: 1", 4, "max_batch_size: 1"),
        ("max_batch_size: 16", 4, "max_batch_size: 16 dynamic_batching { }"),
        (
            "max_batch_size: 2 sequence_batching { }",
            4,
            "max_batch_size: 2 sequence_batching { }",
        ),
    ],
)
def test_model_that_can_batch_does(text: str, default: int, result: str) -> None:
    assert completed(text, BATCHING, default) == expected(result + BATCHING_IO)


def test_default_of_zero_leaves_batching_off_and_every_dimension_in() -> None:
    assert completed("", BATCHING, 0) == expected(
        """
        input { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }
        input { name: "s" data_type: TYPE_STRING dims: -1 }
        output { name: "y" data_type: TYPE_BF16 dims: [ -1, -1, 2 ] }
        """
    )


def test_model_that_cannot_batch_keeps_its_shapes() -> None:
    # A scalar is written [1]; a dimension of no elements can only be written as any size.
    assert completed("", FIXED) == expected(
        """
        input { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }
        input { name: "n" data_type: TYPE_INT64 dims: 1 }
        output { name: "y" data_type: TYPE_BOOL dims: [ -1, 2 ] }
        """
    )


def test_batch_size_of_a_model_that_cannot_batch_is_refused() -> None:
    with pytest.raises(InvalidArgError) as caught:
        completed("max_batch_size: 2", FIXED)
    assert caught.value.message == (
        "autofill failed for model 'm': model does not support batching while non-zero "
        "max_batch_size is specified"
    )


def test_config_with_inputs_and_outputs_is_left_alone() -> None:
    text = 'input { name: "a" } output { name: "b" }'
    assert completed(text, BATCHING) == expected(text)
    assert completed(text, FIXED) == expected(text)


def test_given_inputs_are_kept_while_outputs_are_filled() -> None:
    given = 'input { name: "x" data_type: TYPE_FP32 dims: 3 }'
    output = 'output { name: "y" data_type: TYPE_BF16 dims: [ -1, 2 ] }'
    result = f"max_batch_size: 4 dynamic_batching {{ }} {given} {output}"
    assert completed(given, BATCHING) == expected(result)


def test_overridable_initializer_is_neither_completed_nor_in_the_way_of_batching() -> None:
    signature = OnnxSignature(
        inputs=(OnnxTensor("x", "FP32", (-1, 3)), OnnxTensor("w", "FP32", (3, 3), optional=True)),
        outputs=(OnnxTensor("y", "FP32", (-1, 3)),),
    )
    config = completed("", signature)
    assert [tensor.name for tensor in config.input] == ["x"]
    assert config.max_batch_size == 4
    require_matching(config, signature)


def test_completed_config_matches_its_model() -> None:
    require_matching(completed("", BATCHING), BATCHING)
    require_matching(completed("", FIXED), FIXED)


GOOD = """
    input { name: "x" data_type: TYPE_FP32 dims: 3 }
    output { name: "y" data_type: TYPE_INT64 dims: [ 2, 2 ] reshape { shape: 4 } }
"""
ONE_OF_EACH = OnnxSignature(
    inputs=(OnnxTensor("x", "FP32", (-1, 3)), OnnxTensor("w", "INT32", (5,), optional=True)),
    outputs=(OnnxTensor("y", "INT64", (-1, 4)), OnnxTensor("z", "FP32", (7,))),
)
WITHOUT_BATCH = "but the model configuration specifies"


@pytest.mark.parametrize(
    "text",
    [
        f"max_batch_size: 2 {GOOD}",
        # Batching is the client's own business where the config writes every dimension.
        'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }',
        """
        input { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }
        input { name: "w" data_type: TYPE_INT32 dims: 5 optional: true }
        """,
    ],
)
def test_config_that_fits_its_model_is_accepted(text: str) -> None:
    require_matching(expected(text), ONE_OF_EACH)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "max_batch_size: 2",
            ["unable to load model 'm', configuration expects 0 inputs, model provides 1"],
        ),
        (
            'max_batch_size: 2 input { name: "v" data_type: TYPE_FP32 dims: 3 }',
            ["unexpected inference input 'v', allowed inputs are: w, x"],
        ),
        (
            'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] } '
            'output { name: "v" data_type: TYPE_FP32 dims: 3 }',
            ["unexpected inference output 'v', allowed outputs are: y, z"],
        ),
        (
            'input { name: "x" data_type: TYPE_FP16 dims: [ -1, 3 ] } '
            'output { name: "z" data_type: TYPE_STRING dims: 7 }',
            [
                "unable to load model 'm', configuration expects datatype TYPE_FP16 for input "
                "'x', model provides TYPE_FP32",
                "unable to load model 'm', configuration expects datatype TYPE_STRING for output "
                "'z', model provides TYPE_FP32",
            ],
        ),
        (
            'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] }',
            [
                "model 'm', tensor 'x': the model expects 2 dimensions (shape [-1,3]) but the "
                "model configuration specifies 2 dimensions (shape [-1,4])"
            ],
        ),
        (
            'max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: [ 3, 1 ] }',
            [
                "model 'm', tensor 'x': the model expects 2 dimensions (shape [-1,3]) but the "
                "model configuration specifies 3 dimensions (an initial batch dimension because "
                "max_batch_size > 0 followed by the explicit tensor shape, making complete shape "
                "[-1,3,1])"
            ],
        ),
        (
            'max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: 3 } '
            'output { name: "z" data_type: TYPE_FP32 dims: 7 }',
            [
                "model 'm', tensor 'z': for the model to support batching the shape should have "
                "at least 1 dimension and the first dimension must be -1; but shape expected by "
                "the model is [7]"
            ],
        ),
        (
            'max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: 3 optional: true }',
            [
                "unable to load model 'm', configuration expects 0 inputs, model provides 1",
                "unable to load model 'm', optional input 'x' is not supported for models that "
                "support batching",
            ],
        ),
        (
            'max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: 3 '
            "allow_ragged_batch: true }",
            [
                "unable to load model 'm', configuration expects model provides input with shape "
                "[-1]  for ragged input 'x', model provides [-1,3]"
            ],
        ),
        (
            'input { name: "w" data_type: TYPE_INT32 dims: -1 '
            "optional: true allow_ragged_batch: true }",
            [
                "unable to load model 'm', configuration expects 0 inputs, model provides 1",
                "unable to load model 'm', configuration expects model provides input with shape "
                "[-1] for ragged input 'w', which is not supported for optional input",
                "unable to load model 'm', configuration expects model provides input with shape "
                "[-1]  for ragged input 'w', model provides [5]",
            ],
        ),
        (
            'max_batch_size: 2 batch_input { target_name: "n" } '
            'sequence_batching { control_input { name: "c" } state { input_name: "w" } }',
            [
                "unable to load model 'm', configuration expects 3 inputs, model provides 1",
                "unexpected inference input 'n', allowed inputs are: w, x",
                "unexpected inference input 'c', allowed inputs are: w, x",
            ],
        ),
    ],
)
def test_config_that_does_not_fit_is_refused_with_every_reason(
    text: str, problems: list[str]
) -> None:
    with pytest.raises(InvalidArgError) as caught:
        require_matching(expected(text), ONE_OF_EACH)
    assert caught.value.message == "\n".join(problems)


def test_ragged_input_of_a_flat_model_is_accepted() -> None:
    signature = OnnxSignature(inputs=(OnnxTensor("x", "FP32", (-1,)),), outputs=())
    text = 'input { name: "x" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }'
    require_matching(expected(f"max_batch_size: 2 {text}"), signature)


def test_type_without_a_name_in_configs_is_invalid() -> None:
    signature = OnnxSignature(inputs=(OnnxTensor("x", "FP8", (1,)),), outputs=())
    config = expected('input { name: "x" data_type: TYPE_INT8 dims: 1 }')
    with pytest.raises(InvalidArgError, match="model provides TYPE_INVALID"):
        require_matching(config, signature)
