"""PP-OCRv4's two networks, out of the package rapidocr-onnxruntime, and the alphabet they read."""

from __future__ import annotations

import json
from pathlib import Path

import onnx

from tools.sample_models.packages import PackageFile

_PACKAGE = "rapidocr-onnxruntime"
_VERSION = "1.4.4"

DETECTOR = PackageFile(
    package=_PACKAGE,
    version=_VERSION,
    member="rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    sha256="d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
)
RECOGNIZER = PackageFile(
    package=_PACKAGE,
    version=_VERSION,
    member="rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
    sha256="48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
)


def make_detector(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the network that finds text."""
    return [DETECTOR.save(version_dir / "model.onnx", cache)]


def make_recognizer(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the network that reads a line."""
    return [RECOGNIZER.save(version_dir / "model.onnx", cache)]


def make_text(version_dir: Path, cache: Path) -> list[Path]:
    """Write the characters that the recognizer's file names as a list: one is a space itself."""
    recognizer = onnx.load_model_from_string(RECOGNIZER.read(cache))
    named = {entry.key: entry.value for entry in recognizer.metadata_props}
    characters = named["character"].removesuffix("\n").split("\n")
    path = version_dir / "alphabet.json"
    path.write_text(json.dumps(characters, indent=0) + "\n")
    return [path]
