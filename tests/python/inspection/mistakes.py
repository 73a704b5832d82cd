"""Mistakes that people make in repositories and configs, each with what should be said of it."""

from __future__ import annotations

from tests.python.inspection.mistake import GOOD, IO, Mistake, with_input, with_output

SYNTAX = (
    Mistake("misspelt_field", "max_batchsize: 4\n", "1", "write 'max_batch_size'"),
    Mistake("field_of_nothing", f"{GOOD}threads: 4\n", "5", "remove it; the fields of ModelConfig"),
    Mistake("type_without_prefix", with_input('name: "INPUT0" data_type: FP32'), "3", "TYPE_FP32"),
    Mistake("misspelt_kind", f"{GOOD}instance_group {{ kind: KIND_CPUS }}", "5", "write KIND_CPU"),
    Mistake("type_by_number", with_input("data_type: 77"), "input[0].data_type", "TYPE_FP32"),
    Mistake("number_in_quotes", 'max_batch_size: "8"', "1", "without quotes"),
    Mistake("number_too_large", "max_batch_size: 99999999999", "1", "fits the field"),
    Mistake("text_without_quotes", "backend: python", "1", "in quotes"),
    Mistake("quote_left_open", 'backend: "python\n', "1", "end the text with the quote"),
    Mistake("equals_sign", "max_batch_size = 8", "1", "write a colon"),
    Mistake("brace_left_open", 'input {\n name: "a"\n', "2", "close the brace"),
    Mistake("bracket_left_open", 'input [\n { name: "a" }\n', "3", "close it with ]"),
    Mistake("comma_forgotten", "input { dims: [ 1 2 ] }", "1", "write a comma"),
    Mistake("type_in_quotes", with_input('data_type: "TYPE_FP32"'), "3", "without quotes"),
    Mistake("comma_after_the_last", "input [ { name: 'I' }, ]", "1", "remove the comma"),
    Mistake("comment_of_c", f"// mine\n{GOOD}", "1", "with #"),
    Mistake("byte_order_mark", f"\ufeff{GOOD}", "1", "byte order mark"),
    Mistake("comma_too_many", "input { dims: [ 1, ] }", "1", "remove the comma"),
    Mistake("bracket_too_many", f"{GOOD}]\n", "5", "bracket too many"),
    Mistake("json", '{\n"backend": "python"\n}', "1", "not JSON"),
    Mistake("yes_for_true", "response_cache { enable: yes }", "1", "write true or false"),
    Mistake("value_for_message", "dynamic_batching: true", "1", "in braces"),
    Mistake("parameter_as_text", 'parameters { key: "a" value: "b" }', "1", "in braces"),
    Mistake("field_twice", 'backend: "a"\nbackend: "b"', "2", "keep one 'backend'"),
    Mistake(
        "two_schedulers",
        "dynamic_batching { }\nsequence_batching { }",
        "2",
        "keep either 'sequence_batching' or 'dynamic_batching'",
    ),
)
MODEL = (
    Mistake("name_of_another", f'{GOOD}name: "n"', "5 name", 'write name: "m"'),
    Mistake("backend_unknown", GOOD.replace("identity", "identiy"), "1 backend", '"identity"'),
    Mistake("backend_in_capitals", GOOD.replace("identity", "Python"), "1 backend", '"python"'),
    Mistake("backend_elsewhere", GOOD.replace("identity", "pytorch"), "1 backend", "to ONNX"),
    Mistake(
        "platform_elsewhere",
        GOOD.replace('backend: "identity"', 'platform: "tensorrt_plan"'),
        "1 platform",
        "to ONNX",
    ),
    Mistake("backend_missing", IO, "backend", "1/model.onnx"),
    Mistake("platform_unknown", 'platform: "onnx"', "1 platform", "onnxruntime_onnx"),
    Mistake(
        "platform_of_another",
        f'{GOOD}platform: "onnxruntime_onnx"',
        "5 platform",
        "remove 'platform'",
    ),
    Mistake(
        "negative_batch",
        GOOD.replace("size: 4", "size: -1"),
        "2 max_batch_size",
        "largest batch that the model takes",
    ),
    Mistake(
        "dims_missing",
        with_input('name: "INPUT0" data_type: TYPE_FP32'),
        "3 input[INPUT0]",
        "dims:",
    ),
    Mistake(
        "type_missing", with_input('name: "INPUT0" dims: [ 4 ]'), "3 input[INPUT0]", "data_type:"
    ),
    Mistake("name_missing", with_input("data_type: TYPE_FP32 dims: [ 4 ]"), "3 input", "the name"),
    Mistake(
        "size_of_nothing",
        with_output('name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 0 ]'),
        "4 output[OUTPUT0].dims",
        "-1 for any size",
    ),
    Mistake(
        "reshape_of_other_size",
        with_input('name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ]\nreshape { shape: [ 3 ] }'),
        "4 input[INPUT0].reshape",
        "as many elements as 'dims'",
    ),
    Mistake(
        "gpu_asked_for",
        f"{GOOD}instance_group [ {{ count: 1 }},\n{{ kind: KIND_GPU }} ]",
        "6 instance_group[1].kind",
        "KIND_CPU",
    ),
    Mistake(
        "instances_without_end",
        f"{GOOD}instance_group [ {{ count: 5000 }} ]",
        "5 instance_group[0].count",
        "at most 1024",
    ),
    Mistake(
        "preferred_batch_too_large",
        f"{GOOD}dynamic_batching {{\n preferred_batch_size: [ 8 ] }}",
        "6 dynamic_batching.preferred_batch_size",
        "at most max_batch_size",
    ),
    Mistake(
        "priority_out_of_range",
        f"{GOOD}dynamic_batching {{\npriority_levels: 2\ndefault_priority_level: 3 }}",
        "7 dynamic_batching.default_priority_level",
        "up to 2",
    ),
    Mistake(
        "control_without_values",
        f"{GOOD}sequence_batching {{\n"
        'control_input [ { name: "S"\ncontrol [ { kind: CONTROL_SEQUENCE_START } ] } ] }',
        "7 sequence_batching.control_input.control",
        "int32_false_true",
    ),
    Mistake(
        "cache_of_sequences",
        f"{GOOD}response_cache {{ enable: true }} sequence_batching {{ }}",
        "5 response_cache",
        "remove 'response_cache'",
    ),
    Mistake(
        "parameter_value",
        f'{GOOD}parameters {{ key: "split_large_requests" value {{ string_value: "yes" }} }}',
        "5 parameters[split_large_requests]",
        "as the message says",
    ),
    Mistake(
        "labels_missing",
        GOOD.replace('"OUTPUT0"', '"OUTPUT0" label_filename: "l.txt"'),
        "4 output[OUTPUT0].label_filename",
        "put 'l.txt' into",
    ),
    Mistake(
        "labels_elsewhere",
        GOOD.replace('"OUTPUT0"', '"OUTPUT0" label_filename: "../l.txt"'),
        "4 output[OUTPUT0].label_filename",
        "into the model's directory",
    ),
    Mistake(
        "warmup_file_missing",
        f'{GOOD}model_warmup {{ name: "w" batch_size: 1 inputs {{ key: "INPUT0" value {{ '
        'data_type: TYPE_FP32 dims: [ 4 ] input_data_file: "f" } } }',
        "5 model_warmup[w]",
        "put the file that the sample names",
    ),
)
FILES = (
    Mistake(
        "environment_missing",
        'backend: "python"\nparameters { key: "EXECUTION_ENV_PATH"\n'
        'value { string_value: "$$TRITON_MODEL_DIRECTORY/env" } }',
        "2 parameters[EXECUTION_ENV_PATH]",
        "bin/python",
        {"m/1/model.py": "class TritonPythonModel:\n    def execute(self, requests): ...\n"},
    ),
    Mistake(
        "warmup_input_misspelt",
        f'{GOOD}model_warmup {{ name: "w" batch_size: 1\ninputs {{ key: "X" value {{ '
        "data_type: TYPE_FP32 dims: [ 4 ] zero_data: true } } }",
        "6 model_warmup[w].inputs",
        "INPUT0",
    ),
    Mistake(
        "version_in_filename",
        f'backend: "onnxruntime"\ndefault_model_filename: "1/model.onnx"{IO}',
        "m/1",
        'write default_model_filename: "model.onnx"',
        onnx=True,
    ),
    Mistake("no_version", GOOD, "m", "m/1", {"m/notes.txt/keep": ""}),
    Mistake(
        "version_with_zeros",
        GOOD,
        "m",
        "without leading zeros",
        {"m/01/x": "", "m/1/x": ""},
    ),
    Mistake(
        "version_asked_for_is_not_there",
        f"{GOOD}version_policy {{\nspecific {{ versions: [ 7 ] }} }}",
        "5 version_policy",
        "m/7",
    ),
    Mistake("config_misnamed", None, "m/config.pbtx", "rename it", {"m/config.pbtx": GOOD}),
    Mistake(
        "file_beside_its_version",
        'backend: "python"',
        "m/model.py",
        "m/1/model.py",
        {"m/model.py": ""},
    ),
    Mistake(
        "file_misnamed",
        'backend: "python"',
        "m/1",
        "rename 'modle.py'",
        {"m/1/modle.py": "class TritonPythonModel: pass"},
    ),
    Mistake(
        "file_named_in_config_missing",
        f'backend: "onnxruntime"\ndefault_model_filename: "x.onnx"{IO}',
        "m/1",
        "rename 'model.onnx' to 'x.onnx'",
        onnx=True,
    ),
    Mistake(
        "no_onnx_in_it",
        None,
        "m/1/model.onnx",
        "export the model again",
        {"m/1/model.onnx": "version https://git-lfs.github.com/spec/v1"},
    ),
    Mistake(
        "python_syntax",
        None,
        "m/1/model.py:2",
        "mend the line",
        {"m/1/model.py": "class TritonPythonModel:\n  def execute(self, requests:\n"},
    ),
    Mistake(
        "python_class_missing",
        None,
        "m/1/model.py",
        "write class TritonPythonModel",
        {"m/1/model.py": "class Model:\n    pass\n"},
    ),
    Mistake(
        "python_method_missing",
        None,
        "m/1/model.py:1",
        "write def execute",
        {"m/1/model.py": "class TritonPythonModel:\n    pass\n"},
    ),
    Mistake("models_file_in_repository", GOOD, "model.onnx", "1/model.onnx", {"model.onnx": ""}),
    Mistake(
        "model_for_repository", GOOD, "config.pbtxt", "name the directory", {"config.pbtxt": ""}
    ),
)


def _onnx(first: str, more: str = "") -> str:
    return f"""backend: "onnxruntime" max_batch_size: 4 {more}
input [ {{ {first} }},
  {{ name: "INPUT1" data_type: TYPE_FP32 dims: [ 16 ] }} ]
output [ {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 16 ] }} ]
"""


ONNX = (
    Mistake(
        "input_unknown",
        _onnx('name: "INPUT" data_type: TYPE_FP32 dims: [ 16 ]'),
        "2 input[INPUT].name",
        "write one of: INPUT0, INPUT1",
        onnx=True,
    ),
    Mistake(
        "type_of_another",
        _onnx('name: "INPUT0" data_type: TYPE_INT64 dims: [ 16 ]'),
        "2 input[INPUT0].data_type",
        "TYPE_FP32",
        onnx=True,
    ),
    Mistake(
        "batch_dimension_in_dims",
        _onnx('name: "INPUT0" data_type: TYPE_FP32 dims: [ -1, 16 ]'),
        "2 input[INPUT0].dims",
        "fit [-1,16] without its first",
        onnx=True,
    ),
    Mistake(
        "input_forgotten",
        'input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 16 ] } ]\n'
        'output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 16 ] } ]\nmax_batch_size: 4',
        "1 input",
        "list the 2 inputs",
        onnx=True,
    ),
)


def _ensemble(step: str, more: str = "") -> str:
    return f"""platform: "ensemble"
max_batch_size: 4{IO}
ensemble_scheduling {{ step [
{step} ] }}
{more}"""


_STEP = 'model_name: "part" model_version: -1'
_PART = {"part/config.pbtxt": GOOD, "part/1/x": ""}
ENSEMBLES = (
    Mistake(
        "step_of_nobody",
        _ensemble(
            '{ model_name: "prt" input_map { key: "INPUT0" value: "INPUT0" } '
            'output_map { key: "OUTPUT0" value: "OUTPUT0" } }'
        ),
        "7 ensemble_scheduling.step[prt].model_name",
        "add model 'prt'",
        _PART,
    ),
    Mistake(
        "step_maps_what_is_not_there",
        _ensemble(
            f'{{ {_STEP} input_map {{ key: "X" value: "INPUT0" }} '
            'output_map { key: "OUTPUT0" value: "OUTPUT0" } }'
        ),
        "7 ensemble_scheduling.step[part].input_map",
        "an input of model 'part'",
        _PART,
    ),
    Mistake(
        "output_that_nobody_writes",
        _ensemble(
            f'{{ {_STEP} input_map {{ key: "INPUT0" value: "INPUT0" }} '
            'output_map { key: "OUTPUT0" value: "made" } }'
        ),
        "4 output[OUTPUT0]",
        "name the tensor in the maps",
        _PART,
    ),
    Mistake(
        "map_forgotten",
        _ensemble(f'{{ {_STEP} input_map {{ key: "INPUT0" value: "INPUT0" }} }}'),
        "7 ensemble_scheduling.step[0]",
        "write output_map",
        _PART,
    ),
    Mistake(
        "batches_too_large_for_a_step",
        _ensemble(
            f'{{ {_STEP} input_map {{ key: "INPUT0" value: "INPUT0" }} '
            'output_map { key: "OUTPUT0" value: "OUTPUT0" } }'
        ).replace("size: 4", "size: 8"),
        "2 max_batch_size",
        "write max_batch_size: 4",
        _PART,
    ),
    Mistake(
        "ensemble_without_platform",
        _ensemble(
            f'{{ {_STEP} input_map {{ key: "INPUT0" value: "INPUT0" }} '
            'output_map { key: "OUTPUT0" value: "OUTPUT0" } }'
        ).replace('platform: "ensemble"', ""),
        "6 ensemble_scheduling",
        'write platform: "ensemble"',
        _PART,
    ),
    Mistake(
        "instances_of_an_ensemble",
        _ensemble(
            f'{{ {_STEP} input_map {{ key: "INPUT0" value: "INPUT0" }} '
            'output_map { key: "OUTPUT0" value: "OUTPUT0" } }',
            "instance_group [ { count: 2 } ]",
        ),
        "8 instance_group",
        "only the models of the steps",
        _PART,
    ),
)
MISTAKES = (*SYNTAX, *MODEL, *FILES, *ONNX, *ENSEMBLES)
