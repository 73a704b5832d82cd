"""Goal: agents see a model in Triton's order, and what they refuse or bring counts.

Method: agents as files that write down what they are told, over a fake core.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.python.repository.model_tree import IDENTITY, Fixture, write_model
from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository import ModelRepository

_RECORDING = """
from pathlib import Path

class TritonRepositoryAgent:
    def _note(self, action, model):
        with open(model.parameters["log"], "a") as log:
            log.write(f"{model.parameters['id']} {action}\\n")
        if model.parameters.get("fails") == action:
            raise ValueError("told to fail")

    def load(self, model): self._note("load", model)
    def load_complete(self, model): self._note("load_complete", model)
    def load_fail(self, model): self._note("load_fail", model)
    def unload(self, model): self._note("unload", model)
    def unload_complete(self, model): self._note("unload_complete", model)
"""
_MOVING = """
import shutil

class TritonRepositoryAgent:
    def load(self, model):
        place = model.acquire_location()
        shutil.copytree(model.location, place, dirs_exist_ok=True)
        (place / "config.pbtxt").write_text(model.parameters["config"])
        model.location = place
"""
_UNCHANGED = "failed to load 'm', failed to poll from model repository: "


def _agent(name: str, **parameters: str) -> str:
    given = "".join(
        f'parameters {{ key: "{key}" value: {_quoted(value)} }}'
        for key, value in parameters.items()
    )
    return f'agents {{ name: "{name}" {given} }}'


def _config(*agents: str) -> str:
    return f"{IDENTITY} model_repository_agents {{ {' '.join(agents)} }}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\n", " ") + "'"


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    """A directory with an agent that records and one that moves."""
    for name, text in (("recording", _RECORDING), ("moving", _MOVING)):
        directory = tmp_path / "agents" / name
        directory.mkdir(parents=True)
        (directory / "agent.py").write_text(text)
    return tmp_path / "agents"


def _open(fixture: Fixture, agents: Path) -> ModelRepository:
    options = RepositoryOptions(
        paths=(fixture.root,), control_mode=ControlMode.EXPLICIT, agent_directory=agents
    )
    repository = fixture.open(options=options)
    repository.load_all()
    return repository


def _two(log: Path, fails: str = "") -> str:
    recording = [
        _agent("recording", id=one, log=str(log), fails=fails if one == "b" else "")
        for one in ("a", "b")
    ]
    return _config(*recording)


def test_agents_are_told_in_order_and_in_reverse(
    fixture: Fixture, agents: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    write_model(fixture.root, "m", config=_two(log))
    repository = _open(fixture, agents)
    repository.load("m")
    assert log.read_text().split("\n") == [
        *("a load", "b load", "b load_complete", "a load_complete"),
        "",
    ]
    log.unlink()
    repository.unload("m")
    assert log.read_text().split("\n") == [
        *("a unload", "b unload", "b unload_complete", "a unload_complete"),
        "",
    ]
    repository.close()


def test_an_agent_that_refuses_fails_the_poll(
    fixture: Fixture, agents: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    directory = write_model(fixture.root, "m", config=_two(log, fails="load"))
    repository = _open(fixture, agents)
    with pytest.raises(InternalError) as error:
        repository.load("m")
    problem = "repo agent 'recording': told to fail"
    assert error.value.message == _UNCHANGED + problem
    assert f"Poll failed for model directory '{directory}': {problem}" in fixture.log.errors
    assert log.read_text().split("\n") == ["a load", "b load", "a load_fail", ""]
    repository.close()


def test_agents_of_a_load_that_fails_are_told(
    fixture: Fixture, agents: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    write_model(fixture.root, "m", config=_two(log, fails="load_fail"))
    fixture.core.failures["m", 1] = [InvalidArgError("no")]
    repository = _open(fixture, agents)
    with pytest.raises(InvalidArgError):
        repository.load("m")
    assert log.read_text().split("\n") == ["a load", "b load", "b load_fail", "a load_fail", ""]
    assert "repo agent 'recording' failed at load_fail of 'm': ValueError: told to fail" in (
        fixture.log.errors
    )
    repository.close()


def test_an_agent_hands_over_another_place(fixture: Fixture, agents: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    brought = _config(_agent("absent")).replace("dims: [ 4 ]", "dims: [ 7 ]")
    moving = _agent("moving", config=brought)
    config = _config(moving, _agent("recording", id="a", log=str(log)))
    write_model(fixture.root, "m", config=config)
    repository = _open(fixture, agents)
    repository.load("m")
    assert repository.served("m").config.input[0].dims == [7]
    told = "a load\na load_complete\n"
    assert log.read_text() == told  # the agents are those of the first config
    repository.load("m")
    assert fixture.core.builds == [("m", 1)]  # nothing changed, so nobody was asked
    assert log.read_text() == told
    (fixture.root / "m" / "1" / "model.onnx").write_text("another")
    repository.load("m")
    assert fixture.core.builds == [("m", 1)] * 2
    assert log.read_text() == f"{told}{told}a unload\na unload_complete\n"
    repository.close()


def test_checksums(fixture: Fixture, agents: Path) -> None:
    repository = _open(fixture, agents)
    directory = write_model(fixture.root, "m")
    content = (directory / "1" / "model.onnx").read_bytes()
    right = hashlib.md5(content).hexdigest()
    stronger = hashlib.sha256(content).hexdigest().upper()

    def load(key: str, value: str) -> None:
        config = _config(_agent("checksum", **{key: value}))
        (directory / "config.pbtxt").write_text(config)
        repository.load("m")

    load("MD5:1/model.onnx", right)
    load("SHA256:1/model.onnx", stronger)
    for key, problem in (
        ("MD5:1/model.onnx", "'m': Mismatched MD5 hash for file 1/model.onnx"),
        (
            "CRC:1/model.onnx",
            "'m': unsupported checksum algorithm 'CRC', expected one of MD5, SHA256, SHA512",
        ),
        (
            "MD5:1/absent",
            "'m': failed to read file '1/absent' for its checksum: No such file or directory",
        ),
    ):
        with pytest.raises(InternalError) as error:
            load(key, "0")
        assert error.value.message == _UNCHANGED + problem
    assert repository.ready_versions("m") == (1,)
    repository.close()


def test_agents_that_cannot_be_used_are_named(fixture: Fixture, agents: Path) -> None:
    (agents / "compiled").mkdir()
    library = agents / "compiled" / "libtritonrepoagent_compiled.so"
    library.touch()
    (agents / "broken").mkdir()
    (agents / "broken" / "agent.py").write_text("raise OSError('no')")
    (agents / "lost").mkdir()
    (agents / "lost" / "agent.py").write_text(
        "from pathlib import Path\n"
        "class TritonRepositoryAgent:\n"
        "    def load(self, model): model.location = Path('/nowhere')\n"
    )
    repository = _open(fixture, agents)
    for name, problem in (
        ("absent", f"unable to find 'agent.py' for repo agent 'absent', searched: {agents}/absent"),
        (
            "compiled",
            f"repo agent 'compiled' is compiled, '{library}': only agents that are Python "
            f"programs run here, from '{agents}/compiled/agent.py'",
        ),
        (
            "broken",
            f"repo agent 'broken' cannot be used, '{agents}/broken/agent.py': OSError: no",
        ),
        ("lost", "repo agent 'lost' handed over '/nowhere', which is no directory called 'm'"),
        ("../x", "invalid name of a repository agent: '../x'"),
    ):
        write_model(fixture.root, "m", config=_config(_agent(name)))
        with pytest.raises(InternalError) as error:
            repository.load("m")
        assert error.value.message == _UNCHANGED + problem
    repository.close()
