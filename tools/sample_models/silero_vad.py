"""The voice activity network of the package silero-vad, beside the Python model that feeds it."""

from __future__ import annotations

from pathlib import Path

from tools.sample_models.packages import PackageFile

MODEL = PackageFile(
    package="silero-vad",
    version="6.2.3",
    member="silero_vad/data/silero_vad_16k_op15.onnx",
    sha256="7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
)


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the network."""
    return [MODEL.save(version_dir / "silero_vad.onnx", cache)]
