"""Ensembles of identity, ONNX and Python models, with configs as Triton's users write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conformance.model_files import (
    add_sub_model,
    identity_config,
    write_config,
    write_onnx,
)
from tests.conformance.scripted_model import NAME, write_scripted_model


def step(model: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """Return one step; both maps go from the model's tensors to the ensemble's."""
    maps = "".join(
        f'{field} {{ key: "{key}" value: "{value}" }}\n'
        for field, tensors in (("input_map", inputs), ("output_map", outputs))
        for key, value in tensors.items()
    )
    return f'{{ model_name: "{model}" model_version: -1 {maps} }}'


def ensemble_config(
    inputs: Sequence[str],
    outputs: Sequence[str],
    steps: Sequence[str],
    *,
    max_batch_size: int = 4,
    extra: str = "",
) -> str:
    """Return an ensemble's config; tensors are `NAME TYPE DIMS`, `INPUT0 FP32 [ 16 ]`."""
    tensors = "".join(
        f'{field} {{ name: "{name}" data_type: TYPE_{kind} dims: {dims} }}\n'
        for field, specs in (("input", inputs), ("output", outputs))
        for name, kind, dims in (spec.split(" ", 2) for spec in specs)
    )
    return f"""
        platform: "ensemble"
        max_batch_size: {max_batch_size}
        {tensors}
        ensemble_scheduling {{ step [ {", ".join(steps)} ] {extra} }}
    """


def write_ensembles(repository: Path) -> None:
    """Write composing models and ensembles of them."""
    write_onnx(repository, "add_sub", add_sub_model())
    write_config(repository, "pass", identity_config("FP32"))
    write_config(repository, "pass_alone", identity_config("FP32", "[ -1 ]", 0))
    write_config(repository, "pass_text", _PASS_TEXT)
    write_scripted_model(repository)
    for name, (config, model) in _PYTHON_MODELS.items():
        directory = write_config(repository, name, config)
        (directory / "1" / "model.py").write_text(model)
    for name, config in _ENSEMBLES.items():
        write_config(repository, name, config)


_FAILS = """
    backend: "python"
    max_batch_size: 8
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
"""
# Fails for a negative number, gives nothing for zero.
_FAILS_MODEL = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        values = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        if values[0, 0] < 0:
            return pb_utils.InferenceResponse([], pb_utils.TritonError("it is negative"))
        if values[0, 0] == 0:
            return pb_utils.InferenceResponse([])
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", values)])
"""
_TELLS = """
    backend: "python"
    max_batch_size: 0
    input [
        { name: "INPUT0" data_type: TYPE_FP32 dims: [ 1 ] },
        { name: "OPTIONAL" data_type: TYPE_FP32 dims: [ 1 ] optional: true }
    ]
    output [ { name: "TOLD" data_type: TYPE_STRING dims: [ 1 ] } ]
"""
# Tells what it was asked with, as JSON.
_TELLS_MODEL = """
import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        told = json.dumps({
            "id": request.request_id(),
            "correlation_id": request.correlation_id(),
            "flags": request.flags(),
            "priority": request.priority(),
            "timeout": request.timeout(),
            "parameters": json.loads(request.parameters()),
            "inputs": [tensor.name() for tensor in request.inputs()],
        })
        tensor = pb_utils.Tensor("TOLD", np.array([told.encode()], np.object_))
        return pb_utils.InferenceResponse([tensor])
"""
_ASKS = """
    backend: "python"
    max_batch_size: 8
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 16 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 16 ] } ]
"""
# Asks the ensemble "nested" for twice its input.
_ASKS_MODEL = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        values = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        asked = pb_utils.InferenceRequest(
            model_name="nested",
            inputs=[pb_utils.Tensor("INPUT0", values), pb_utils.Tensor("INPUT1", values)],
            requested_output_names=["OUTPUT0"],
        )
        answer = asked.exec()
        if answer.has_error():
            return pb_utils.InferenceResponse([], answer.error())
        return pb_utils.InferenceResponse(answer.output_tensors())
"""
_PASS_TEXT = """
    backend: "identity"
    max_batch_size: 0
    input [ { name: "INPUT0" data_type: TYPE_STRING dims: [ 1 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_STRING dims: [ 1 ] } ]
"""
_PYTHON_MODELS = {
    "fails": (_FAILS, _FAILS_MODEL),
    "tells": (_TELLS, _TELLS_MODEL),
    "asks": (_ASKS, _ASKS_MODEL),
}
_TWO_INPUTS = ("INPUT0 FP32 [ 16 ]", "INPUT1 FP32 [ 16 ]")
_ENSEMBLES = {
    "sum_and_difference": ensemble_config(
        _TWO_INPUTS,
        ["SUM FP32 [ 16 ]", "DIFFERENCE FP32 [ 16 ]", "ECHO FP32 [ 16 ]"],
        [
            # Steps may stand in any order.
            step("pass", {"INPUT0": "sum"}, {"OUTPUT0": "SUM"}),
            step(
                "add_sub",
                {"INPUT0": "INPUT0", "INPUT1": "INPUT1"},
                {"OUTPUT0": "sum", "OUTPUT1": "DIFFERENCE"},
            ),
            step("pass", {"INPUT0": "INPUT0"}, {"OUTPUT0": "ECHO"}),
        ],
    ),
    "nested": ensemble_config(
        _TWO_INPUTS,
        ["OUTPUT0 FP32 [ 16 ]"],
        [
            step(
                "sum_and_difference",
                {"INPUT0": "INPUT0", "INPUT1": "INPUT1"},
                {"SUM": "sum", "DIFFERENCE": "difference"},
            ),
            step("add_sub", {"INPUT0": "sum", "INPUT1": "difference"}, {"OUTPUT0": "OUTPUT0"}),
        ],
    ),
    "without_batch": ensemble_config(
        ["INPUT0 FP32 [ -1 ]"],
        ["OUTPUT0 FP32 [ -1 ]"],
        [
            step("pass", {"INPUT0": "INPUT0"}, {"OUTPUT0": "batched"}),
            step("pass_alone", {"INPUT0": "batched"}, {"OUTPUT0": "OUTPUT0"}),
        ],
        max_batch_size=0,
    ),
    "failing": ensemble_config(
        ["INPUT0 FP32 [ -1 ]"],
        ["OUTPUT0 FP32 [ -1 ]"],
        [
            step("fails", {"INPUT0": "INPUT0"}, {"OUTPUT0": "failed"}),
            step("pass", {"INPUT0": "failed"}, {"OUTPUT0": "OUTPUT0"}),
        ],
    ),
    "telling": ensemble_config(
        ["INPUT0 FP32 [ 1 ]", "OPTIONAL FP32 [ 1 ]"],
        ["TOLD STRING [ 1 ]"],
        [step("tells", {"INPUT0": "INPUT0", "OPTIONAL": "OPTIONAL"}, {"TOLD": "TOLD"})],
        max_batch_size=0,
    ).replace('"OPTIONAL" data_type', '"OPTIONAL" optional: true data_type'),
    "streaming": ensemble_config(
        ["SCRIPT STRING [ -1 ]"],
        ["TEXT STRING [ 1 ]"],
        [
            step(NAME, {"SCRIPT": "SCRIPT"}, {"TEXT": "said"}),
            step("pass_text", {"INPUT0": "said"}, {"OUTPUT0": "TEXT"}),
        ],
        max_batch_size=0,
        extra="max_inflight_requests: 2",
    ),
}
