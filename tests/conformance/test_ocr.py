"""Goal: an ensemble finds how many lines an image has, reads them, and may find none.

Method: the sample models, on words that are drawn here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.running_server import RunningServer, ServerOptions

_REPOSITORY = Path(__file__).parents[2] / "model_repository"
_HEIGHT, _WIDTH = 200, 400
_LETTERS = 36  # pixels


@pytest.fixture(scope="module")
def samples(frontend: str) -> Iterator[RunningServer]:
    """A server that is told of the ensemble alone, and loads what that is composed of."""
    arguments = ["--model-control-mode", "explicit", "--load-model", "ocr"]
    with RunningServer(_REPOSITORY, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, samples: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other."""
    with connect(request.param, samples) as connected:
        yield connected


def _draw(words: dict[str, tuple[int, int]], ink: str = "black", paper: str = "white") -> Array:
    """Return an image with words, each at its left and top."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), paper)
    font = ImageFont.load_default(_LETTERS)
    for word, place in words.items():
        ImageDraw.Draw(image).text(place, word, font=font, fill=ink)
    return np.asarray(image)


def test_words_are_read_in_order_and_boxed(client: Client) -> None:
    # The right word of the first row stands a little higher than the left one.
    words = {"server 42": (60, 120), "triton": (220, 20), "Hello": (30, 30)}
    result = client.infer("ocr", {"IMAGE": _draw(words)})
    assert result.as_numpy("TEXT").tolist() == [b"Hello", b"triton", b"server 42"]
    assert (result.as_numpy("SCORE") > 0.9).all()
    for (left, top, right, bottom), word in zip(
        result.as_numpy("BOX").tolist(), ("Hello", "triton", "server 42"), strict=True
    ):
        x, y = words[word]
        assert 0 <= left <= x + 3 < right <= _WIDTH
        assert 0 <= top <= y + _LETTERS / 2 < bottom <= _HEIGHT
        assert bottom - top < 2 * _LETTERS


def test_colours_and_sides_that_are_no_whole_strides_do_not_matter(client: Client) -> None:
    image = _draw({"Ensemble": (30, 25)}, ink="yellow", paper="navy")[:97, :301]
    result = client.infer("ocr", {"IMAGE": image})
    assert result.as_numpy("TEXT").tolist() == [b"Ensemble"]


def test_an_image_without_text_has_no_lines(client: Client) -> None:
    result = client.infer("ocr", {"IMAGE": _draw({})})
    assert result.as_numpy("TEXT").shape == (0,)
    assert result.as_numpy("SCORE").shape == (0,)
    assert result.as_numpy("BOX").shape == (0, 4)


def test_four_planes_are_refused(client: Client) -> None:
    image = np.zeros((_HEIGHT, _WIDTH, 4), np.uint8)
    text = r"unexpected shape for input 'IMAGE' for model 'ocr'. Expected \[-1,-1,3\], got \["
    with pytest.raises(InferenceServerException, match=text + r"200,400,4\]"):
        client.infer("ocr", {"IMAGE": image})


@pytest.mark.parametrize(("height", "width"), [(0, 10), (10, 2049)])
def test_a_side_out_of_bounds_is_refused(client: Client, height: int, width: int) -> None:
    text = f"IMAGE: expected 1 to 2048 pixels a side, got height {height} and width {width}"
    with pytest.raises(InferenceServerException, match=text):
        client.infer("ocr", {"IMAGE": np.zeros((height, width, 3), np.uint8)})


def test_too_many_lines_are_refused(client: Client) -> None:
    rows, columns = 8, 11
    image = np.tile(_draw({"ab": (6, 2)})[:60, :90], (rows, columns, 1))
    text = "expected at most 64 lines of text in an image, found 88"
    with pytest.raises(InferenceServerException, match=text):
        client.infer("ocr", {"IMAGE": image})
