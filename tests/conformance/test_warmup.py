"""Goal: models run their warm-up samples before they are ready, nothing of it is counted, and a
sample that fails keeps the model from loading, as in Triton.

Method: a server in explicit mode with a verbose log; models of each sort of executor are loaded and
what the log and the statistics say afterwards is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.model_files import add_sub_model, identity_config, write_config, write_onnx
from tests.conformance.python_models import IDENTITY_CONFIG, write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_ZERO_OR_RANDOM = """
    model_warmup {
        name: "regular sample"
        batch_size: 3
        inputs { key: "INPUT0" value { data_type: TYPE_FP32 dims: 16 random_data: true } }
        inputs { key: "INPUT1" value { data_type: TYPE_FP32 dims: 16 zero_data: true } }
        count: 2
    }
    model_warmup { name: "skipped" }
"""
_FROM_FILE = """
    model_warmup {
        name: "words"
        batch_size: 1
        inputs { key: "INPUT0" value { data_type: TYPE_STRING dims: 2 input_data_file: "words" } }
    }
    model_warmup {
        name: "random words"
        batch_size: 2
        inputs { key: "INPUT0" value { data_type: TYPE_STRING dims: 4 random_data: true } }
    }
"""
# Fails for zeros; says what it gets otherwise.
_PICKY = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            pb_utils.Logger.log_info(f"picky got {len(requests)} requests")
            responses = []
            for request in requests:
                array = request.inputs()[0].as_numpy()
                error = None if array.any() else pb_utils.TritonError("An Error Occurred")
                output = [] if error else [pb_utils.Tensor("OUTPUT0", array)]
                responses.append(pb_utils.InferenceResponse(output, error))
            return responses
"""

# Says what its controls are.
_CONTROLLED = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            responses = []
            for request in requests:
                tensors = {t.name(): t.as_numpy().ravel().tolist() for t in request.inputs()}
                pb_utils.Logger.log_info(f"controlled got {sorted(tensors.items())}")
                array = np.array([tensors["INPUT0"]], np.float32)
                responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", array)]))
            return responses
"""
_CONTROLS = """
    sequence_batching {
        control_input [
            {
                name: "START"
                control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ]
            },
            {
                name: "CORRID"
                control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ]
            }
        ]
    }
    model_warmup {
        name: "controls"
        batch_size: 1
        inputs { key: "INPUT0" value { data_type: TYPE_FP32 dims: 2 zero_data: true } }
        inputs { key: "START" value { data_type: TYPE_INT32 dims: 1 input_data_file: "one" } }
        inputs { key: "CORRID" value { data_type: TYPE_UINT64 dims: 1 zero_data: true } }
    }
"""


def _picky_config(data: str, batch_size: int) -> str:
    return f"""
        {IDENTITY_CONFIG}
        instance_group [ {{ kind: KIND_CPU count: 2 }} ]
        model_warmup {{
            name: "zero sample"
            batch_size: {batch_size}
            inputs {{ key: "INPUT0" value {{ data_type: TYPE_FP32 dims: 2 {data} }} }}
        }}
    """


def _file_warmup(file: str, dims: int) -> str:
    return f"""
        model_warmup {{
            name: "file"
            batch_size: 1
            inputs {{
                key: "INPUT0"
                value {{ data_type: TYPE_FP32 dims: {dims} input_data_file: "{file}" }}
            }}
        }}
    """


def _write_models(repository: Path) -> None:
    write_onnx(repository, "onnx", add_sub_model())
    (repository / "onnx" / "config.pbtxt").write_text(
        f'backend: "onnxruntime" instance_group [ {{ count: 1 }} ] {_ZERO_OR_RANDOM}'
    )
    directory = write_config(repository, "words", identity_config("BYTES", extra=_FROM_FILE))
    (directory / "warmup").mkdir()
    (directory / "warmup" / "words").write_bytes(b"\1\0\0\0a\0\0\0\0")
    write_python_model(repository, "picky", _PICKY, _picky_config('input_data_file: "ones"', 3))
    (repository / "picky" / "warmup").mkdir()
    (repository / "picky" / "warmup" / "ones").write_bytes(np.ones(2, np.float32).tobytes())
    write_python_model(repository, "controlled", _CONTROLLED, IDENTITY_CONFIG + _CONTROLS)
    (repository / "controlled" / "warmup").mkdir()
    (repository / "controlled" / "warmup" / "one").write_bytes(np.int32(1).tobytes())
    write_python_model(repository, "failing", _PICKY, _picky_config("zero_data: true", 2))
    for name, file, dims in (
        ("missing", "nowhere", 2),
        ("outside", "../config.pbtxt", 2),
        ("short", "two", 3),
        ("variable", "two", -1),
    ):
        warmup = _file_warmup(file, dims)
        directory = write_config(repository, name, identity_config("FP32", extra=warmup))
        (directory / "warmup").mkdir()
        (directory / "warmup" / "two").write_bytes(bytes(8))
    wrong_width = _ZERO_OR_RANDOM.replace('"INPUT0" value { data_type: TYPE_FP32 dims: 16', "{}")
    wide = wrong_width.replace("{}", '"INPUT0" value { data_type: TYPE_FP32 dims: 17')
    write_onnx(repository, "wide", add_sub_model())
    (repository / "wide" / "config.pbtxt").write_text(f'backend: "onnxruntime" {wide}')


@pytest.fixture(scope="module")
def verbose_server(
    frontend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server that loads what it is told to and says all it does."""
    repository = tmp_path_factory.mktemp("warm")
    _write_models(repository)
    arguments = ["--model-control-mode", "explicit", "--log-verbose", "1"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture
def control(verbose_server: RunningServer) -> Iterator[Client]:
    """A client of that server."""
    with connect("grpc", verbose_server) as client:
        yield client


def _runs(server: RunningServer, model: str) -> list[str]:
    """Return what the log says of the model's warm-up, after the name of the model."""
    subject = f"model '{model}' instance "
    server.wait_for(f"successfully loaded '{model}'")  # the log may lag behind the answer
    return [
        line.partition(subject)[2].rstrip('"\n')
        for line in server.output.splitlines()
        if subject in line
    ]


def _executions(client: Client, model: str) -> int:
    (stats,) = client.statistics(model)
    assert stats["inference_stats"]["fail"]["count"] == 0
    count: int = stats["execution_count"] + stats["inference_count"]
    return count


def test_onnx_model_runs_every_sample_as_often_as_it_says(
    verbose_server: RunningServer, control: Client
) -> None:
    control.raw.load_model("onnx")
    assert _runs(verbose_server, "onnx") == [
        f"onnx_0_0 is running warmup sample 'regular sample' for iteration {iteration}"
        for iteration in (1, 2)
    ]
    verbose_server.wait_for("Skipping batch 0 warmup sample 'skipped'")
    verbose_server.wait_for("Generating warmup sample data for 'regular sample'")
    assert _executions(control, "onnx") == 0
    rows = np.ones((1, 16), np.float32)
    result = control.infer("onnx", {"INPUT0": rows, "INPUT1": rows})
    assert result.as_numpy("OUTPUT0")[0, 0] == 2


def test_strings_come_from_a_file_or_are_empty(
    verbose_server: RunningServer, control: Client
) -> None:
    control.raw.load_model("words")
    assert len(_runs(verbose_server, "words")) == 2
    assert _executions(control, "words") == 0


def test_every_worker_runs_a_sample_as_one_batch(
    verbose_server: RunningServer, control: Client
) -> None:
    control.raw.load_model("picky")
    assert [line.partition(" ")[0] for line in _runs(verbose_server, "picky")] == [
        "picky_0_0",
        "picky_0_1",
    ]
    for instance in ("picky_0_0", "picky_0_1"):
        verbose_server.wait_for(f"{instance}: picky got 3 requests")
    assert verbose_server.output.count("picky got") == 2
    assert _executions(control, "picky") == 0
    array = np.full((1, 2), 5, np.float32)
    np.testing.assert_array_equal(
        control.infer("picky", {"INPUT0": array}).as_numpy("OUTPUT0"), array
    )


def test_a_sample_may_name_the_controls_of_sequences(
    verbose_server: RunningServer, control: Client
) -> None:
    control.raw.load_model("controlled")
    verbose_server.wait_for(
        "controlled_0: controlled got [('CORRID', [0]), ('INPUT0', [0.0, 0.0]), ('START', [1])]"
    )
    array = np.full((1, 2), 5, np.float32)
    result = control.infer(
        "controlled", {"INPUT0": array}, sequence_id=7, sequence_start=True, sequence_end=True
    )
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), array)
    verbose_server.wait_for(
        "controlled_0: controlled got [('CORRID', [7]), ('INPUT0', [5.0, 5.0]), ('START', [1])]"
    )


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            "failing",
            "failed to run warmup sample 'zero sample': An Error Occurred; An Error Occurred; ",
        ),
        ("missing", "failed to open text file for read"),
        (
            "outside",
            "warmup data file path '../config.pbtxt' for input 'INPUT0' in model 'outside' is "
            "outside warmup directory",
        ),
        (
            "short",
            "warmup setting expects 12 bytes, but the data provided from twoonly has 8 bytes",
        ),
        (
            "variable",
            "warmup setting expects all variable-size dimensions are specified for input 'INPUT0'",
        ),
        ("wide", "unexpected shape for input 'INPUT0' for model 'wide'. Expected [-1,16]"),
    ],
)
def test_sample_that_fails_keeps_its_model_from_loading(
    control: Client, model: str, text: str
) -> None:
    with pytest.raises(InferenceServerException) as refused:
        control.raw.load_model(model)
    assert text in refused.value.message()
    assert not control.raw.is_model_ready(model)
