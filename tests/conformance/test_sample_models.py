"""Goal: the sample models written in Python answer right through a server.

Method: the sample repository itself, with questions whose answers are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from sklearn.datasets import load_wine

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.running_server import RunningServer, ServerOptions
from tools.sample_models.wine_forest import UNSEEN

_ROOT = Path(__file__).parents[2]
_MODELS = ("magika", "magika_pipeline", "silero_vad", "silero_vad_stream", "wine_forest")
_RATE = 16000
# The first three formants of vowels in Hz: ah, ee, oo, eh.
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))


@pytest.fixture(scope="module")
def samples(frontend: str) -> Iterator[RunningServer]:
    """A server with the sample models written in Python, and the one that they ask."""
    arguments = ["--model-control-mode", "explicit"]
    for model in _MODELS:
        arguments += ["--load-model", model]
    options = ServerOptions(arguments, frontend=frontend)
    with RunningServer(_ROOT / "model_repository", options) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, samples: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other."""
    with connect(request.param, samples) as connected:
        yield connected


def test_magika_pipeline_names_our_own_files(client: Client) -> None:
    files = {"LICENSE": b"txt", "examples/classify_file.py": b"python", "csrc/base/gate.h": b"cpp"}
    contents = np.array([[(_ROOT / file).read_bytes()] for file in files], np.object_)
    result = client.infer("magika_pipeline", {"CONTENT": contents})
    assert result.as_numpy("LABEL").tolist() == [[label] for label in files.values()]
    assert (result.as_numpy("SCORE") > 0.5).all()


def test_wine_forest_knows_wines_that_it_has_not_seen(client: Client) -> None:
    analyses, cultivars = load_wine(return_X_y=True)
    result = client.infer("wine_forest", {"ANALYSIS": analyses[::UNSEEN].astype(np.float32)})
    found = result.as_numpy("CULTIVAR")[:, 0]
    assert np.mean(found == cultivars[::UNSEEN]) > 0.9
    np.testing.assert_array_equal(found, result.as_numpy("PROBABILITIES").argmax(axis=1))


def test_silero_vad_hears_vowels_and_no_noise(client: Client) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, _RATE).astype(np.float32)
    assert (client.infer("silero_vad", {"AUDIO": noise}).as_numpy("SPEECH") < 0.2).all()
    audio = np.concatenate([noise, *(_vowel(formants) for formants in _VOWELS)])
    speech = client.infer("silero_vad", {"AUDIO": audio}).as_numpy("SPEECH")
    assert speech.shape == (-(-len(audio) // 512),)
    quiet = len(noise) // 512
    assert (speech[:quiet] < 0.2).all()
    assert np.mean(speech[quiet:] > 0.5) > 0.5


def test_streams_of_audio_at_once_are_each_heard_as_if_alone(
    client: Client, samples: RunningServer
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 2048).astype(np.float32)
    streams = [np.concatenate([noise, _vowel(formants)])[: 11 * 512] for formants in _VOWELS]

    def hear(number: int) -> list[float]:
        chunks = streams[number].reshape(-1, 1, 512)
        with connect(client.protocol, samples) as own:
            return [
                float(
                    own.infer(
                        "silero_vad_stream",
                        {"AUDIO": chunk},
                        sequence_id=number + 1,
                        sequence_start=index == 0,
                        sequence_end=index == len(chunks) - 1,
                    ).as_numpy("SPEECH")[0, 0]
                )
                for index, chunk in enumerate(chunks)
            ]

    with ThreadPoolExecutor(len(streams)) as pool:
        heard = list(pool.map(hear, range(len(streams))))
    for own, stream in zip(heard, streams, strict=True):
        np.testing.assert_allclose(own, _heard_alone(stream), atol=1e-5)


def _heard_alone(audio: Array) -> list[float]:
    """What the model says of a stream when its state is handed on by hand."""
    session = ort.InferenceSession(_ROOT / "model_repository/silero_vad_stream/1/model.onnx")
    state, context = np.zeros((1, 2, 128), np.float32), np.zeros((1, 64), np.float32)
    said = []
    for chunk in audio.reshape(-1, 1, 512):
        inputs = {"AUDIO": chunk, "STATE_IN": state, "CONTEXT_IN": context}
        speech, state, context = session.run(["SPEECH", "STATE_OUT", "CONTEXT_OUT"], inputs)
        said.append(float(speech[0, 0]))
    return said


def _vowel(formants: tuple[int, ...]) -> Array:
    """Return a quarter of a second of a voice at 120 Hz: pulses through three resonances."""
    count = _RATE // 4
    sound = np.zeros(count)
    sound[:: _RATE // 120] = 1.0
    for formant in formants:
        sound = _resonance(sound, formant)
    envelope = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / 640)
    sound = sound * envelope
    voiced: Array = (0.4 * sound / np.abs(sound).max()).astype(np.float32)
    return voiced


def _resonance(sound: Array, formant: int, width: int = 80) -> Array:
    radius = np.exp(-np.pi * width / _RATE)
    first, second = 2 * radius * np.cos(2 * np.pi * formant / _RATE), -(radius**2)
    resonant = np.zeros(len(sound) + 2)
    for index, value in enumerate(sound):
        resonant[index + 2] = value + first * resonant[index + 1] + second * resonant[index]
    return resonant[2:]
