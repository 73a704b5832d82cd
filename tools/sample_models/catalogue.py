"""Every sample model by name, and what makes its files.

A maker gets the model's version directory, which exists, and the download cache; it returns the
paths that it leaves behind. The `config.pbtxt` files, and each `model.py`, are kept in the
repository, not made here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.sample_models import (
    add_sub,
    basic_pitch,
    magika,
    minilm,
    mlp_digits,
    ocr,
    silero_vad,
    string_upper,
    wine_forest,
)

Maker = Callable[[Path, Path], list[Path]]


def make_without_files(version_dir: Path, cache: Path) -> list[Path]:
    """Leave the version directory as it is: all that the model needs is kept in the repository."""
    del cache
    return [version_dir]


MODELS: dict[str, Maker] = {
    "identity_fp32": make_without_files,
    "identity_bytes": make_without_files,
    "add_sub": add_sub.make,
    "string_upper": string_upper.make,
    "mlp_digits": mlp_digits.make,
    "magika": magika.make,
    "magika_pipeline": magika.make_pipeline,
    "minilm": minilm.make,
    "minilm_tokenizer": minilm.make_tokenizer,
    "minilm_pooling": make_without_files,
    "sentence_embedding": make_without_files,
    "ocr_pixels": make_without_files,
    "ocr_detector": ocr.make_detector,
    "ocr_lines": make_without_files,
    "ocr_recognizer": ocr.make_recognizer,
    "ocr_text": ocr.make_text,
    "ocr": make_without_files,
    "basic_pitch": basic_pitch.make,
    "silero_vad": silero_vad.make,
    "silero_vad_stream": silero_vad.make_stream,
    "wine_forest": wine_forest.make,
}
