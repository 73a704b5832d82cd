"""Label files: what the classes of an output are called, one label a line."""

from __future__ import annotations

from pathlib import Path

from tritonpy.config.model_files import leads_out
from tritonpy.errors import InternalError, UnsupportedError
from tritonpy.protos.model_config_pb2 import ModelConfig


def read_labels(config: ModelConfig, model_dir: Path) -> dict[str, tuple[str, ...]]:
    """Return the labels of each output that names a label file, by output name.

    Raises UnsupportedError for a path that leads out of the model's directory, InternalError for a
    file that cannot be read.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for output in config.output:
        if not output.label_filename:
            continue
        if leads_out(output.label_filename):
            raise UnsupportedError(
                f"label file path '{output.label_filename}' for output '{output.name}' in model "
                f"'{config.name}' is outside model directory"
            )
        path = model_dir / output.label_filename
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InternalError(f"failed to open text file for read {path}: {error}") from error
        # Not splitlines(): it also breaks a label at characters that are no line end to Triton.
        labels[output.name] = tuple(text.removesuffix("\n").split("\n")) if text else ()
    return labels
