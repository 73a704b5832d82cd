"""Goal: the sample models give right answers before any server is in play.

Method: run each with plain ONNX Runtime on inputs whose answers are known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from sklearn.datasets import load_digits

from examples.classify_file import features
from tools.sample_models.mlp_digits import TRAINING_PICTURES

ROOT = Path(__file__).parents[2]
REPOSITORY = ROOT / "model_repository"


def run(model: str, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(REPOSITORY / model / "1" / "model.onnx")
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def test_add_sub_adds_and_subtracts() -> None:
    generator = np.random.default_rng(0)
    left, right = generator.random((2, 3, 16), dtype=np.float32)
    outputs = run("add_sub", {"INPUT0": left, "INPUT1": right})
    np.testing.assert_array_equal(outputs["OUTPUT0"], left + right)
    np.testing.assert_array_equal(outputs["OUTPUT1"], left - right)


def test_string_upper_leaves_what_is_no_ascii_letter() -> None:
    outputs = run("string_upper", {"INPUT": np.array(["abc D", "é1", ""], dtype=object)})
    assert outputs["OUTPUT"].tolist() == ["ABC D", "é1", ""]


def test_mlp_digits_reads_pictures_it_has_not_seen() -> None:
    pictures, digits = load_digits(return_X_y=True)
    outputs = run("mlp_digits", {"X": pictures[TRAINING_PICTURES:].astype(np.float32)})
    assert np.mean(outputs["label"] == digits[TRAINING_PICTURES:]) > 0.85
    np.testing.assert_array_equal(outputs["label"], outputs["probabilities"].argmax(axis=1))
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("LICENSE", "txt"),
        ("examples/classify_file.py", "python"),
        ("csrc/base/gate.h", "cpp"),
        ("model_repository/magika/1/model.onnx", "onnx"),
    ],
)
def test_magika_names_our_own_files(file: str, label: str) -> None:
    scores = run("magika", {"bytes": features((ROOT / file).read_bytes())})["target_label"]
    names = (REPOSITORY / "magika" / "labels.txt").read_text().splitlines()
    assert len(names) == scores.shape[1]
    assert names[scores[0].argmax()] == label


def test_minilm_gives_one_vector_for_each_token() -> None:
    tokens = np.array([[101, 2023, 2003, 102]], dtype=np.int64)
    inputs = {
        "input_ids": tokens,
        "attention_mask": np.ones_like(tokens),
        "token_type_ids": np.zeros_like(tokens),
    }
    vectors = run("minilm", inputs)["last_hidden_state"]
    assert vectors.shape == (1, 4, 384)
    assert np.isfinite(vectors).all()


def test_basic_pitch_hears_the_note_of_a_sine() -> None:
    concert_pitch, lowest_key = 69, 21
    seconds = np.arange(43844) / 22050
    sine = np.sin(2 * np.pi * 440 * seconds).astype(np.float32)
    outputs = run("basic_pitch", {"serving_default_input_2:0": sine[np.newaxis, :, np.newaxis]})
    notes = outputs["StatefulPartitionedCall:1"][0].mean(axis=0)
    assert notes.argmax() + lowest_key == concert_pitch
