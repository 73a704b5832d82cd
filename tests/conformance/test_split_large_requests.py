"""Goal: a model that asks for it answers requests with more rows than it takes, and no other does.

Method: identity models of both sorts of executor are sent more rows than fit; answers and counters.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.python_models import IDENTITY, IDENTITY_CONFIG, write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_SPLIT = 'parameters { key: "split_large_requests" value { string_value: "true" } }'
_ROWS = 19


@pytest.fixture(scope="module")
def splitting_server(
    frontend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server of models that take eight rows at once."""
    repository = tmp_path_factory.mktemp("splitting")
    for protocol in ("http", "grpc"):
        extra = f"{_SPLIT} dynamic_batching {{}}"
        write_config(repository, f"words_{protocol}", identity_config("BYTES", extra=extra))
    write_python_model(repository, "python", IDENTITY, IDENTITY_CONFIG + _SPLIT)
    write_config(repository, "plain", identity_config("FP32"))
    with RunningServer(repository, ServerOptions(frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def splitting(request: pytest.FixtureRequest, splitting_server: RunningServer) -> Iterator[Client]:
    """Both clients of that server."""
    with connect(request.param, splitting_server) as client:
        yield client


def test_answer_has_every_row_of_every_part(splitting: Client) -> None:
    words: Array = np.array([[b"x" * row, b""] for row in range(_ROWS)], np.object_)
    model = f"words_{splitting.protocol}"
    result = splitting.infer(model, {"INPUT0": words}, request_id="large")
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), words)
    said = splitting.response(result)
    assert said["id"] == "large"
    assert said["parameters"]["param1"] == 42
    (stats,) = splitting.statistics(model)
    assert stats["inference_count"] == _ROWS
    assert stats["inference_stats"]["success"]["count"] == 3
    assert max(batch["batch_size"] for batch in stats["batch_stats"]) == 8


def test_python_model_runs_parts_like_requests(splitting: Client) -> None:
    rows = np.arange(_ROWS * 3, dtype=np.float32).reshape(_ROWS, 3)
    result = splitting.infer("python", {"INPUT0": rows})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), rows)


def test_model_that_does_not_ask_for_it_refuses_as_triton_does(splitting: Client) -> None:
    with pytest.raises(InferenceServerException) as refused:
        splitting.infer("plain", {"INPUT0": np.zeros((_ROWS, 1), np.float32)})
    assert "inference request batch-size must be <= 8 for 'plain'" in refused.value.message()
