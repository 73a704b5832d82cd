"""The content-type model of the package magika, with the names of its 214 classes."""

from __future__ import annotations

import json
from pathlib import Path

from tools.sample_models.packages import PackageFile

MODEL = PackageFile(
    package="magika",
    version="1.0.3",
    member="magika/models/standard_v3_3/model.onnx",
    sha256="fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
)
SETTINGS = PackageFile(
    package="magika",
    version="1.0.3",
    member="magika/models/standard_v3_3/config.min.json",
    sha256="ae24c742205358f6ff6dfd5facb6743fb69743dbba8373e73da58ff0cbd695db",
)


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the model and write its class names, one a line, beside the config."""
    model = MODEL.save(version_dir / "model.onnx", cache)
    return [model, _write_labels(version_dir, cache)]


def make_pipeline(version_dir: Path, cache: Path) -> list[Path]:
    """Write the class names for the Python model that asks this one."""
    return [_write_labels(version_dir, cache)]


def _write_labels(version_dir: Path, cache: Path) -> Path:
    names = json.loads(SETTINGS.read(cache))["target_labels_space"]
    labels = version_dir.parent / "labels.txt"
    labels.write_text("".join(f"{name}\n" for name in names))
    return labels
