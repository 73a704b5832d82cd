"""More models than there is memory for: native ones, an ensemble of them, and Python models.

Models say with `memory_bytes` what they take, so that nothing depends on what a process takes here;
one that must be slow to load waits for the test.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.conformance.ensembles import ensemble_config, step
from tests.conformance.gated_model import write_gated_model
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.python_models import write_python_model
from tests.conformance.scripted_model import write_scripted_model

# So large that what worker processes take does not matter.
MODEL_BYTES = 10**12
NATIVE = ("a", "b", "c", "d")
_LATE = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            open("{gate}").read()

        def execute(self, requests):
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", r.inputs()[0].as_numpy())])
                for r in requests
            ]
"""
_BROKEN = """
    class TritonPythonModel:
        def initialize(self, args):
            raise RuntimeError("no such weights")

        def execute(self, requests):
            return []
"""
_CALLER = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [self.answer(request) for request in requests]

        def answer(self, request):
            inner = pb_utils.InferenceRequest(
                model_name="a", requested_output_names=["OUTPUT0"], inputs=request.inputs()
            )
            return pb_utils.InferenceResponse(inner.exec().output_tensors())
"""


LABELLED = ("labelled_http", "labelled_grpc")


def takes(models: int) -> str:
    """Return the parameter of a model that takes the memory of so many."""
    size = f'value {{ string_value: "{models * MODEL_BYTES}" }}'
    return f'parameters {{ key: "memory_bytes" {size} }}'


def gate_of(repository: Path) -> Path:
    """Return what `late` waits for before it is loaded: that somebody writes to it."""
    return repository.parent / f"{repository.name}.gate"


def write_models(repository: Path) -> None:
    """Write all of them; `pinned` is the one that is not to make room."""
    for name in NATIVE:
        write_config(repository, name, identity_config("FP32", extra=takes(1)))
    write_config(repository, "pinned", identity_config("FP32"))
    write_config(repository, "untyped", identity_config("INVALID"))
    write_config(
        repository,
        "chain",
        ensemble_config(
            ["INPUT0 FP32 [ -1 ]"],
            ["OUTPUT0 FP32 [ -1 ]"],
            [
                step("a", {"INPUT0": "INPUT0"}, {"OUTPUT0": "half"}),
                step("b", {"INPUT0": "half"}, {"OUTPUT0": "OUTPUT0"}),
            ],
        ),
    )
    for name in LABELLED:
        config = identity_config("FP32", extra=takes(0) + "version_policy { all {} }")
        rollout = {"labels": {"stable": 1, "canary": 2}, "split": {"stable": 1}}
        write_config(repository, name, config, (1, 2))
        (repository / name / "rollout.json").write_text(json.dumps(rollout))
    gate = gate_of(repository)
    os.mkfifo(gate)
    write_python_model(repository, "late", _LATE.format(gate=gate))
    write_python_model(repository, "broken", _BROKEN)
    write_python_model(repository, "caller", _CALLER)
    write_gated_model(repository, "busy", takes(2))
    write_scripted_model(repository)
