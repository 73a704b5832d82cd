"""Fixtures of the tests of the worker host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python.worker_host.stub_models import StubHost


@pytest.fixture
def stubs(tmp_path: Path) -> Iterator[StubHost]:
    """A host whose workers are stubs."""
    with StubHost(tmp_path) as host:
        yield host
