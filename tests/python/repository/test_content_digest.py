"""Goal: a digest changes with a config and with the contents of files, and with nothing else.

Method: one directory, changed in one thing at a time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tritonpy.errors import InternalError
from tritonpy.repository.content_digest import content_digest

_FILES = (("1/model.onnx", 0, 0), ("labels.txt", 0, 0))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A model's directory."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1/model.onnx").write_bytes(b"weights")
    (tmp_path / "labels.txt").write_bytes(b"cat")
    return tmp_path


def test_times_and_order_do_not_matter(directory: Path) -> None:
    before = content_digest(directory, b"config", _FILES)
    os.utime(directory / "labels.txt", (1, 1))
    cache = ("1/__pycache__/model.pyc", 5, 5)
    assert content_digest(directory, b"config", (*reversed(_FILES), cache)) == before


def test_every_content_matters(directory: Path) -> None:
    digests = {content_digest(directory, b"config", _FILES)}
    digests.add(content_digest(directory, b"other", _FILES))
    digests.add(content_digest(directory, b"config", _FILES[:1]))
    for name in ("1/model.onnx", "labels.txt"):
        (directory / name).write_bytes(b"x")
        digests.add(content_digest(directory, b"config", _FILES))
    (directory / "1/model.onnx").rename(directory / "1/m.onnx")
    digests.add(content_digest(directory, b"config", (("1/m.onnx", 0, 0), _FILES[1])))
    assert len(digests) == 6


def test_a_file_that_is_gone_is_an_error(directory: Path) -> None:
    with pytest.raises(InternalError, match=r"failed to read '.*gone'"):
        content_digest(directory, b"config", (("gone", 0, 0),))
