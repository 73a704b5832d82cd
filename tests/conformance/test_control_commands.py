"""Goal: an operator sees, loads and unloads the models of a running server from the shell.

Method: the commands against a real server in explicit mode, on both front ends, and against
addresses where no such server is.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.conformance.ensembles import ensemble_config, step
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions
from tritonpy.cli import main
from tritonpy.config import config_to_json, parse_config

# Runs a command against the server: exit status, lines of output, lines of errors.
Tell: TypeAlias = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture(scope="module")
def operated(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that loads what it is told to."""
    repository: Path = tmp_path_factory.mktemp(f"operated_{frontend}")
    write_config(repository, "first", identity_config("FP32"), (1, 3))
    write_config(repository, "broken", 'backend: "nothing"')
    steps = [step("first", {"INPUT0": "I"}, {"OUTPUT0": "O"})]
    config = ensemble_config(["I FP32 [ -1 ]"], ["O FP32 [ -1 ]"], steps)
    write_config(repository, "whole", config)
    arguments = ["--model-control-mode", "explicit"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture
def tell(operated: RunningServer, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Run one command against the server."""

    def run(*arguments: str, url: str = operated.http_address) -> tuple[int, list[str], list[str]]:
        status = main([*arguments, "--url", url])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err.splitlines()

    return run


def test_models_load_and_unload_and_are_listed(tell: Tell) -> None:
    tell("unload", "first", "broken", "whole")
    assert tell("load", "first") == (0, ["loaded first"], [])
    status, (header, *models), _ = tell("models", "--ready")
    assert (status, header.split()) == (0, ["name", "version", "state", "reason"])
    assert [model.split() for model in models] == [["first", "3", "READY", "-"]]
    assert tell("unload", "first") == (0, ["unloaded first"], [])
    assert tell("models", "--ready")[1] == ["name  version  state  reason"]
    everything = [model.split() for model in tell("models")[1]]
    assert ["first", "3", "UNAVAILABLE", "unloaded"] in everything


def test_a_load_that_fails_says_why_and_the_others_go_on(tell: Tell) -> None:
    status, out, err = tell("load", "nobody", "first", "broken")
    assert (status, out) == (1, ["loaded first"])
    assert err[0] == (
        "tritonpy load: nobody: failed to load 'nobody', failed to poll from model repository: "
        "model not found in any model repository"
    )
    assert err[1].startswith("tritonpy load: broken: ")
    assert "unable to find backend library for backend 'nothing'" in " ".join(err[1:])
    (broken,) = (model for model in tell("models")[1] if model.startswith("broken "))
    assert "unable to find backend library for backend 'nothing'" in broken


def test_the_config_that_a_model_serves_with_is_printed(tell: Tell) -> None:
    tell("load", "first")
    status, out, err = tell("config", "first")
    assert (status, err) == (0, [])
    config = parse_config("\n".join(out), "printed")
    assert (config.name, config.backend, config.instance_group[0].count) == ("first", "identity", 1)
    status, out, _ = tell("config", "first", "--json")
    assert (status, json.loads("\n".join(out))) == (0, config_to_json(config))
    tell("unload", "first")
    assert tell("config", "first") == (
        1,
        [],
        ["tritonpy config: first: Request for unknown model: 'first' has no available versions"],
    )


def test_an_ensemble_goes_with_its_models_if_asked_to(tell: Tell) -> None:
    assert tell("load", "whole")[0] == 0
    assert len(tell("models", "--ready")[1]) == 3
    assert tell("unload", "whole", "--with-dependents") == (0, ["unloaded whole"], [])
    assert len(tell("models", "--ready")[1]) == 1


def test_a_name_is_one_part_of_the_path(tell: Tell) -> None:
    status, _, err = tell("load", "../first")
    assert status == 1
    assert "invalid model name" in err[0] or "HTTP status" in err[0]


def test_control_that_the_server_does_not_allow_is_told(tell: Tell, server: RunningServer) -> None:
    refused = "explicit model load / unload is not allowed if polling is enabled"
    for command in ("load", "unload"):
        status, _, err = tell(command, "add_sub", url=f"http://{server.http_address}/")
        assert (status, err) == (1, [f"tritonpy {command}: add_sub: {refused}"])


def test_what_is_no_such_server_is_told(tell: Tell, operated: RunningServer) -> None:
    status, _, err = tell("models", url=operated.grpc_address)
    assert status == 1
    assert err[0].startswith("tritonpy models: ")
    status, _, err = tell("models", url=f"{operated.http_address}/elsewhere")
    assert status == 1
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    status, out, err = tell("load", "first", url=address)
    assert (status, out) == (1, [])
    assert err[0].startswith(f"tritonpy load: first: no answer from http://{address}: ")
