"""Advice on the rules of tensors: against the config's own, and against the model; for `advice`."""

from __future__ import annotations

from typing import Final

# Pattern of the text, field, fix. Rules of one tensor name it; one without a name cannot be found.
TENSORS: Final = (
    (
        r"model (?P<role>input|output) must specify 'name'",
        "{role}",
        "write the name that the model's {role} has",
    ),
    (
        r"model (?P<role>input|output) '(?P<tensor>[^']*)' must specify 'data_type'",
        "{role}[{tensor}]",
        "write data_type: TYPE_FP32, or whichever the model has",
    ),
    (
        r"model (?P<role>input|output) '(?P<tensor>[^']*)' must specify 'dims'",
        "{role}[{tensor}]",
        "write dims: [ ... ] without the batch dimension, -1 for any size, [ 1 ] for a scalar",
    ),
    (
        r"model (?P<role>input|output) '(?P<tensor>[^']*)' dimension must",
        "{role}[{tensor}].dims",
        "write sizes of 1 or more, or -1 for any size",
    ),
    (
        r"model (?P<role>input|output) '(?P<tensor>[^']*)' .*reshape",
        "{role}[{tensor}].reshape",
        "write a shape with as many elements as 'dims', and -1 in as many places; or remove it",
    ),
    (
        r"model input NHWC/NCHW require 3 dims",
        "input.format",
        "write 3 dims (without the batch dimension), or remove 'format'",
    ),
    (
        r"shape tensors are only supported",
        "input.is_shape_tensor",
        "remove 'is_shape_tensor'",
    ),
    (
        r"Non-linear IO format",
        "input.is_non_linear_format_io",
        "remove 'is_non_linear_format_io'",
    ),
    (
        r"batch (?P<role>input|output) kind '[^']*' expects 1 source input",
        "batch_{role}.source_input",
        "write one source_input",
    ),
    (
        r"batch input data type must be",
        "batch_input.data_type",
        "write data_type: TYPE_INT32 or TYPE_FP32",
    ),
    (
        r"unknown source input name '(?P<tensor>[^']*)'",
        "batch_input.source_input",
        "write the name of one of the inputs in place of '{tensor}'",
    ),
    (
        r"target output name '(?P<tensor>[^']*)'",
        "batch_output.target_name",
        "write the name of an output, each once",
    ),
    (
        r"batch output '(?P<tensor>[^']*)' has a variable-size dimension",
        "output[{tensor}].dims",
        "write a fixed size, or name a source input that has the dimension",
    ),
    (
        r"batch inputs and batch outputs are only supported",
        "batch_input",
        "remove batch_input and batch_output: only ONNX models have them",
    ),
    (
        r"unable to load model .* expects (?P<wanted>\d+) inputs, model provides (?P<has>\d+)",
        "input",
        "list the {has} inputs of the model, or remove all of 'input' and 'output': they are read "
        "from the model's file",
    ),
    (
        r"unexpected inference (?P<role>input|output) '(?P<tensor>[^']*)', allowed \w+ are: "
        r"(?P<known>.*)",
        "{role}[{tensor}].name",
        "write one of: {known}",
    ),
    (
        r"datatype \w+ for (?P<role>input|output) '(?P<tensor>[^']*)', model provides "
        r"(?P<type>\w+)",
        "{role}[{tensor}].data_type",
        "write data_type: {type}",
    ),
    (
        r"optional input '(?P<tensor>[^']*)' is not supported",
        "input[{tensor}].optional",
        "remove 'optional', or write max_batch_size: 0",
    ),
    (
        r"ragged input '(?P<tensor>[^']*)'",
        "input[{tensor}].allow_ragged_batch",
        "remove 'allow_ragged_batch': the model must take the rows end to end, in one dimension",
    ),
    (
        r"tensor '(?P<tensor>[^']*)': for the model to support batching",
        "max_batch_size",
        "write max_batch_size: 0 and whole shapes in 'dims': the model has no batch dimension",
    ),
    (
        r"tensor '(?P<tensor>[^']*)': the model expects \d+ dimensions \(shape (?P<shape>[^)]*)\).*"
        r"initial batch",
        "*[{tensor}].dims",
        "write dims that fit {shape} without its first, the batch dimension",
    ),
    (
        r"tensor '(?P<tensor>[^']*)': the model expects \d+ dimensions \(shape (?P<shape>[^)]*)\)",
        "*[{tensor}].dims",
        "write dims that fit {shape}",
    ),
    (
        r"model does not support batching while non-zero max_batch_size",
        "max_batch_size",
        "write max_batch_size: 0: the first dimensions of the model's tensors are fixed",
    ),
    (
        r"label file path '(?P<file>[^']*)' for output '(?P<tensor>[^']*)'",
        "output[{tensor}].label_filename",
        "put the file into the model's directory and write its name alone",
    ),
    (
        r"warmup setting .* input '(?P<tensor>[^']*)' to have (?P<what>data_type|input_data_type)",
        "model_warmup.inputs[{tensor}]",
        "write data_type, dims, and one of zero_data, random_data and input_data_file",
    ),
    (
        r"variable-size dimensions are specified for input '(?P<tensor>[^']*)'",
        "model_warmup.inputs[{tensor}]",
        "write a size in place of each -1 in 'dims'",
    ),
    (
        r"warmup (?:setting|data file path)",
        "model_warmup",
        "put a file that is as large as the tensor into the model's directory 'warmup'",
    ),
)
