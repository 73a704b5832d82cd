"""Goal: sentences of different length run as one batch, and each is answered as if it were alone.

Method: MiniLM behind the scheduler's test hook, so that the sentences meet; bare ONNX Runtime on
each sentence alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.running_server import RunningServer, ServerOptions

_MODEL = Path(__file__).parents[2] / "model_repository" / "minilm" / "1" / "model.onnx"
_PADDING = """
    parameters { key: "padding" value {
        string_value: "input_ids=0, token_type_ids=0; mask=attention_mask" } }
"""
_CONFIG = """
    backend: "onnxruntime"
    max_batch_size: 16
    dynamic_batching {}
    input { name: "input_ids" data_type: TYPE_INT64 dims: -1 }
    input { name: "attention_mask" data_type: TYPE_INT64 dims: -1 }
    input { name: "token_type_ids" data_type: TYPE_INT64 dims: -1 }
    output { name: "last_hidden_state" data_type: TYPE_FP32 dims: [ -1, 384 ] }
"""
_SHAPES = ((1, 7), (2, 3), (1, 12))  # rows and tokens


def _write(repository: Path, name: str, config: str) -> None:
    version = repository / name / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").symlink_to(_MODEL)
    (version.parent / "config.pbtxt").write_text(config)


@pytest.fixture(scope="module")
def held_server(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose models begin only when every sentence waits."""
    repository = tmp_path_factory.mktemp("padding")
    for protocol in ("http", "grpc"):
        _write(repository, f"padded_{protocol}", _CONFIG + _PADDING)
        _write(repository, f"plain_{protocol}", _CONFIG)
    options = ServerOptions(
        environment={"TRITONSERVER_DELAY_SCHEDULER": str(len(_SHAPES))}, frontend=frontend
    )
    with RunningServer(repository, options) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def held(request: pytest.FixtureRequest, held_server: RunningServer) -> Iterator[Client]:
    """Both clients of that server."""
    with connect(request.param, held_server) as client:
        yield client


def _sentence(rows: int, tokens: int) -> dict[str, Array]:
    ids = np.random.default_rng(rows * 100 + tokens).integers(1000, 20000, (rows, tokens))
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }


def _infer_together(server: RunningServer, protocol: str, model: str) -> list[Any]:
    def send(shape: tuple[int, int]) -> Any:
        with connect(protocol, server) as client:
            return client.infer(model, _sentence(*shape))

    with ThreadPoolExecutor(len(_SHAPES)) as pool:
        return list(pool.map(send, _SHAPES))


def _check_answers(results: list[Any]) -> None:
    session = ort.InferenceSession(_MODEL)
    for result, shape in zip(results, _SHAPES, strict=True):
        (alone,) = session.run(["last_hidden_state"], _sentence(*shape))
        np.testing.assert_allclose(result.as_numpy("last_hidden_state"), alone, atol=1e-4)


def test_sentences_of_every_length_are_one_batch(held_server: RunningServer, held: Client) -> None:
    model = f"padded_{held.protocol}"
    _check_answers(_infer_together(held_server, held.protocol, model))
    (stats,) = held.statistics(model)
    assert [batch["batch_size"] for batch in stats["batch_stats"]] == [4]

    wrong = {**_sentence(1, 5), "attention_mask": np.ones((1, 4), np.int64)}
    with pytest.raises(InferenceServerException) as refused:
        held.infer(model, wrong)
    assert (
        f"inputs 'input_ids' and 'attention_mask' of model '{model}' are padded together and must "
        "be equally long, but got shapes [1,5] and [1,4]"
    ) in refused.value.message()


def test_model_without_the_parameter_runs_every_length_alone(
    held_server: RunningServer, held: Client
) -> None:
    model = f"plain_{held.protocol}"
    _check_answers(_infer_together(held_server, held.protocol, model))
    (stats,) = held.statistics(model)
    assert sum(int(one["compute_infer"]["count"]) for one in stats["batch_stats"]) == len(_SHAPES)
