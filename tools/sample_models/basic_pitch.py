"""The note transcriber of the package basic-pitch: served with no config, from its file alone."""

from __future__ import annotations

from pathlib import Path

from tools.sample_models.packages import PackageFile

MODEL = PackageFile(
    package="basic-pitch",
    version="0.4.0",
    member="basic_pitch/saved_models/icassp_2022/nmp.onnx",
    sha256="2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
)


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the model."""
    return [MODEL.save(version_dir / "model.onnx", cache)]
