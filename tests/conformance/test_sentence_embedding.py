"""Goal: a real ensemble, Python, ONNX and Python again, gives what its parts give by hand.

Method: the sample models; bare ONNX Runtime on token numbers that are known for the sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.running_server import RunningServer, ServerOptions

_REPOSITORY = Path(__file__).parents[2] / "model_repository"
# As the tokenizer that the model was trained with numbers them.
_SENTENCES = {
    "Hello world": [101, 7592, 2088, 102],
    "This is, naïvely, UNAFFABLE!": [
        *(101, 2023, 2003, 1010, 15743, 2135, 1010, 14477, 20961, 3468, 999, 102),
    ],
}


@pytest.fixture(scope="module")
def samples(frontend: str) -> Iterator[RunningServer]:
    """A server that is told of the ensemble alone, and loads what that is composed of."""
    arguments = ["--model-control-mode", "explicit", "--load-model", "sentence_embedding"]
    with RunningServer(_REPOSITORY, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, samples: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other."""
    with connect(request.param, samples) as connected:
        yield connected


def _embed(client: Client, *sentences: str) -> Array:
    texts = np.array([[sentence.encode()] for sentence in sentences], np.object_)
    vectors: Array = client.infer("sentence_embedding", {"TEXT": texts}).as_numpy("EMBEDDING")
    return vectors


def _reference(numbers: list[int]) -> Array:
    ids = np.array([numbers], np.int64)
    session = ort.InferenceSession(_REPOSITORY / "minilm" / "1" / "model.onnx")
    inputs = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    mean = session.run(["last_hidden_state"], inputs)[0][0].mean(axis=0)
    vector: Array = mean / np.linalg.norm(mean)
    return vector


@pytest.mark.parametrize("sentence", _SENTENCES)
def test_a_sentence_gives_what_bare_onnx_runtime_gives(client: Client, sentence: str) -> None:
    np.testing.assert_allclose(
        _embed(client, sentence)[0], _reference(_SENTENCES[sentence]), atol=1e-5
    )


def test_sentences_of_one_request_may_have_different_lengths(client: Client) -> None:
    together = _embed(client, *_SENTENCES)
    # The padded one is quantised with the other, so its numbers differ a little.
    alone = np.concatenate([_embed(client, sentence) for sentence in _SENTENCES])
    assert (np.sum(together * alone, axis=1) > 0.99).all()


def test_what_means_the_same_is_alike(client: Client) -> None:
    vectors = _embed(
        client,
        "A man is eating food.",
        "Someone is having a meal.",
        "The stock market fell sharply.",
    )
    assert vectors[0] @ vectors[1] > 0.6
    assert abs(vectors[0] @ vectors[2]) < 0.2
