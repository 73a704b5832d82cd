"""Goal: completing a config tells of each field that it fills, and of no other.

Method: what was told is compared with where the config differs afterwards, for configs that
hypothesis draws and for one that leaves each rule of completion something to fill.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, MutableSequence

from google.protobuf.message import Message
from hypothesis import given, settings

from tests.python.config.strategies import any_configs, valid_configs
from tritonpy.config import Devices, ModelConfig, OnnxSignature, OnnxTensor, normalize, parse_config
from tritonpy.config.autocomplete import complete_from_files
from tritonpy.config.fit_ensemble import fit_ensemble
from tritonpy.config.stages import onnx_stage
from tritonpy.inspection.config_text import ConfigText

CPU_ONLY = Devices()
GPUS = Devices(gpus=(0, 1), gpu_support=True)
EXAMPLES = settings(max_examples=60)


def _filled(before: Message | None, after: Message, path: str = "") -> Iterator[str]:
    """Yield the path of each outermost field that only `after` has, or has with another value."""
    for field, value in after.ListFields():
        here = f"{path}.{field.name}".lstrip(".")
        old = None if before is None else getattr(before, field.name)
        if value == old and (
            not isinstance(value, Message) or (before is not None and before.HasField(field.name))
        ):
            continue
        if isinstance(value, MutableSequence) and field.message_type is not None:
            for index, item in enumerate(value):
                known = old[index] if old is not None and index < len(old) else None
                if known is None or known != item:
                    yield from _filled(known, item, f"{here}[{index}]")
        elif isinstance(value, Message) and not isinstance(value, MutableMapping):
            inner = old if before is not None and before.HasField(field.name) else None
            yield from list(_filled(inner, value, here)) or [here]
        else:
            yield here


def _by_index(path: str, config: ModelConfig) -> str:
    """Return a path with numbers in place of the names of tensors."""
    for role in ("input", "output"):
        for index, tensor in enumerate(getattr(config, role)):
            if path == f"{role}[{tensor.name}]":
                return f"{role}[{index}]"
    return path


def _require_told(told: dict[str, str], before: ModelConfig, after: ModelConfig) -> None:
    paths = [_by_index(path, after) for path in told]
    filled = list(_filled(before, after))
    for field in filled:
        assert any(f"{field}.".startswith(f"{path}.") for path in paths), (field, told)
    for path in paths:
        assert any(f"{field}.".startswith(f"{path}.") for field in filled), (path, filled)
    assert all(reason.startswith(("inferred: ", "default: ")) for reason in told.values())


@EXAMPLES
@given(any_configs())
def test_every_default_is_told(config: ModelConfig) -> None:
    for devices in (CPU_ONLY, GPUS):
        told: dict[str, str] = {}
        _require_told(told, config, normalize(config, devices, told.__setitem__))


@EXAMPLES
@given(valid_configs())
def test_what_files_say_is_told(config: ModelConfig) -> None:
    for files in (frozenset(("model.onnx",)), frozenset(("model.py",)), frozenset[str]()):
        told: dict[str, str] = {}
        given = ModelConfig()
        given.CopyFrom(config)
        given.ClearField("name")
        done = complete_from_files(given, "m.python", files, told.__setitem__)
        _require_told(told, given, done)


def test_what_an_onnx_model_says_is_told_with_its_types_and_shapes() -> None:
    before = parse_config('name: "m" backend: "onnxruntime"', "test")
    signature = OnnxSignature(
        (OnnxTensor("x", "FP32", (-1, 3)),), (OnnxTensor("0", "INT64", (-1,)),)
    )
    told: dict[str, str] = {}
    after = onnx_stage(before, signature, CPU_ONLY, tell=told.__setitem__)
    _require_told(told, before, after)
    assert told["input[x]"] == "inferred: from the ONNX model's input, FP32 [-1,3]"
    assert told["output[0]"] == "inferred: from the ONNX model's output, INT64 [-1]"
    assert told["dynamic_batching"] == "inferred: the model can batch"
    assert told["max_batch_size"].endswith("default-max-batch-size")


def test_what_a_step_makes_of_an_ensemble_is_told() -> None:
    tensors = """max_batch_size: 1 input { name: "I" data_type: TYPE_FP32 dims: 1 }
        output { name: "O" data_type: TYPE_FP32 dims: 1 }"""
    before = parse_config(
        f"""name: "e" platform: "ensemble" {tensors} ensemble_scheduling {{ step {{
            model_name: "d" input_map {{ key: "I" value: "I" }}
            output_map {{ key: "O" value: "O" }} }} }}""",
        "test",
    )
    composing = parse_config(
        f'name: "d" {tensors} model_transaction_policy {{ decoupled: true }}', "test"
    )
    told: dict[str, str] = {}
    _require_told(told, before, fit_ensemble(before, [composing], told.__setitem__))
    assert told == {"model_transaction_policy": "inferred: from a decoupled model in its steps"}
    composing.model_transaction_policy.decoupled = False
    told.clear()
    fit_ensemble(before, [composing], told.__setitem__)
    assert told == {}


def test_paths_lead_to_lines_also_for_tensors_that_are_called_by_numbers() -> None:
    text = ConfigText('input {\n name: "1"\n}\ninput {\n name: "0"\n}\n')
    assert (text.line_of("input[0]"), text.line_of("input[1]")) == (4, 1)
