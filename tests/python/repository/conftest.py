"""Fixtures of the repository tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python.repository.model_tree import Fixture


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    """An empty model repository over a fake core."""
    root = tmp_path / "models"
    root.mkdir()
    return Fixture(root)
