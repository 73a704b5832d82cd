"""Goal: the load API says what repository agents refuse, on both front ends.

Method: a model under the bundled checksum agent, whose file a test changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

_CHECKED = """
    model_repository_agents {{
        agents {{ name: "checksum" parameters {{ key: "MD5:1/data" value: "{digest}" }} }}
    }}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, frontend: str) -> Path:
    """A repository that tests write models into."""
    return tmp_path_factory.mktemp(f"agents_{frontend}")


@pytest.fixture(scope="module")
def agent_server(frontend: str, repository: Path) -> Iterator[RunningServer]:
    """A server that loads what it is told to."""
    arguments = ["--model-control-mode=explicit"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture
def checked(protocol: str, agent_server: RunningServer) -> Iterator[Client]:
    """Both clients."""
    with connect(protocol, agent_server) as client:
        yield client


def test_a_changed_file_is_refused_and_the_model_serves_on(
    checked: Client, agent_server: RunningServer, repository: Path, protocol: str
) -> None:
    name = f"checked_{protocol}"
    digest = hashlib.md5(b"right").hexdigest()
    config = identity_config("FP32", extra=_CHECKED.format(digest=digest))
    directory = write_config(repository, name, config)
    (directory / "1" / "data").write_bytes(b"wrong")
    problem = f"'{name}': Mismatched MD5 hash for file 1/data"

    def is_refused() -> None:
        with pytest.raises(InferenceServerException) as error:
            checked.raw.load_model(name)
        assert error.value.message() == (
            f"failed to load '{name}', failed to poll from model repository: {problem}"
        )

    is_refused()
    agent_server.wait_for(f"Poll failed for model directory '{directory}': {problem}")
    (directory / "1" / "data").write_bytes(b"right")
    checked.raw.load_model(name)
    (directory / "1" / "data").write_bytes(b"wrong")
    is_refused()
    data = np.ones((1, 2), np.float32)
    answer = checked.infer(name, {"INPUT0": data}).as_numpy("OUTPUT0")
    np.testing.assert_array_equal(answer, data)
