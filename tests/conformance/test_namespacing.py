"""Goal: with --model-namespacing repositories share model names, and nobody gets another's answer.

Method: two repositories that both have a model `shared`, of different types so that an ensemble
loads only with its own, and each has models that the other has not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.ensembles import ensemble_config, step
from tests.conformance.metrics_page import metrics_page
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_TYPES: Final = {"first": "FP32", "second": "INT32"}
_ARRAYS: Final[dict[str, Array]] = {
    "FP32": np.ones((1, 2), np.float32),
    "INT32": np.ones((1, 2), np.int32),
}
_AMBIGUOUS: Final = (
    "There are 2 identifiers of model 'shared' in global map, model namespace must be provided to "
    "resolve ambiguity."
)


_MOODY: Final = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def is_ready(self):
            return {is_ready}

        def execute(self, requests):
            return [pb_utils.InferenceResponse() for _ in requests]
"""


def _ensemble(model: str, kind: str) -> str:
    steps = [step(model, {"INPUT0": "I"}, {"OUTPUT0": "O"})]
    return ensemble_config([f"I {kind} [ -1 ]"], [f"O {kind} [ -1 ]"], steps)


@pytest.fixture(scope="module")
def root(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both repositories."""
    path = tmp_path_factory.mktemp(f"namespaces_{frontend}")
    for namespace, kind in _TYPES.items():
        write_config(path / namespace, "shared", identity_config(kind))
        write_config(path / namespace, f"only_{namespace}", identity_config(kind))
        write_config(path / namespace, f"own_{namespace}", _ensemble("shared", kind))
        is_ready = namespace == "first"
        write_python_model(path / namespace, "moody", _MOODY.format(is_ready=is_ready))
    # What its own repository has not, and the other has.
    write_config(path / "first", "borrowing", _ensemble("only_second", "INT32"))
    return path


@pytest.fixture(scope="module")
def namespaced(frontend: str, root: Path) -> Iterator[RunningServer]:
    """A server of both."""
    arguments = ["--model-repository", str(root / "second"), "--model-namespacing=true"]
    arguments += ["--model-control-mode=explicit", "--load-model=*"]
    with RunningServer(root / "first", ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture
def client(protocol: str, namespaced: RunningServer) -> Iterator[Client]:
    """A client of it."""
    with connect(protocol, namespaced) as connected:
        yield connected


def _answer(client: Client, model: str, kind: str) -> Array:
    output: Array = client.infer(model, {"I": _ARRAYS[kind]}).as_numpy("O")
    return output


@pytest.mark.parametrize("namespace", _TYPES)
def test_a_name_that_one_repository_has_is_enough(client: Client, namespace: str) -> None:
    result = client.infer(f"only_{namespace}", {"INPUT0": _ARRAYS[_TYPES[namespace]]})
    assert client.response(result)["model_name"] == f"only_{namespace}"
    metadata = client.raw.get_model_metadata(f"only_{namespace}")
    assert (metadata["name"] if isinstance(metadata, dict) else metadata.name) == (
        f"only_{namespace}"
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("shared", _AMBIGUOUS),
        ("nobody", "Request for unknown model: 'nobody' is not found"),
    ],
)
def test_what_a_name_does_not_say_is_an_invalid_argument(
    client: Client, model: str, message: str
) -> None:
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, {"INPUT0": _ARRAYS["FP32"]})
    assert error.value.message() == message
    assert error.value.status() in ("400", "StatusCode.INVALID_ARGUMENT")
    for ask in (client.raw.get_model_metadata, client.raw.get_model_config):
        with pytest.raises(InferenceServerException) as error:
            ask(model)
        assert error.value.message() == message


@pytest.mark.parametrize("namespace", _TYPES)
def test_an_ensemble_finds_the_models_of_its_own_repository_first(
    client: Client, namespace: str
) -> None:
    kind = _TYPES[namespace]
    assert _answer(client, f"own_{namespace}", kind).dtype == _ARRAYS[kind].dtype


def test_each_of_two_python_models_of_one_name_has_its_own_word(
    namespaced: RunningServer, root: Path
) -> None:
    with connect("grpc", namespaced) as client:
        assert client.raw.is_model_ready(f"{root / 'first'}/moody")
        assert not client.raw.is_model_ready(f"{root / 'second'}/moody")


@pytest.mark.parametrize("namespace", _TYPES)
def test_an_identifier_leaves_grpc_no_choice(
    namespaced: RunningServer, root: Path, namespace: str
) -> None:
    kind = _TYPES[namespace]
    with connect("grpc", namespaced) as client:
        result = client.infer(f"{root / namespace}/shared", {"INPUT0": _ARRAYS[kind]})
        assert result.as_numpy("OUTPUT0").dtype == _ARRAYS[kind].dtype
        assert client.response(result)["model_name"] == "shared"


def test_an_ensemble_borrows_what_only_another_repository_has(client: Client) -> None:
    assert _answer(client, "borrowing", "INT32").dtype == np.int32


def test_all_are_listed_and_counted_and_measured(
    client: Client, namespaced: RunningServer, root: Path
) -> None:
    index = client.raw.get_model_repository_index()
    names = [
        model["name"] if isinstance(model, dict) else model.name
        for model in getattr(index, "models", index)
    ]
    assert names.count("shared") == 2
    assert len(names) == 9
    assert [model["name"] for model in client.statistics("shared")] == ["shared", "shared"]
    page = metrics_page(namespaced)
    for namespace in _TYPES:
        labels = f'model="shared",namespace="{root / namespace}",version="1"'
        assert f"nv_inference_count{{{labels}}}" in page


def test_a_name_is_loaded_and_unloaded_wherever_it_is(client: Client) -> None:
    client.raw.unload_model("shared")
    with pytest.raises(InferenceServerException, match="has no available versions"):
        client.infer("shared", {"INPUT0": _ARRAYS["FP32"]})
    with pytest.raises(InferenceServerException, match="has no available versions"):
        _answer(client, "own_second", "INT32")
    client.raw.load_model("shared")
    with pytest.raises(InferenceServerException) as error:
        client.infer("shared", {"INPUT0": _ARRAYS["FP32"]})
    assert error.value.message() == _AMBIGUOUS
    assert _answer(client, "own_second", "INT32").dtype == np.int32
