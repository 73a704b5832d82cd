"""Goal: nobody notices a reload, whether a call asks for it or files change.

Method: clients of both protocols ask ONNX, identity and Python models all the time while these are
loaded again and again, each time with other weights and another config; every answer is checked.
(`bench.soak.reloads` is the long version.)
"""

from __future__ import annotations

from pathlib import Path

from tests.conformance.changing_models import ChangingModels
from tests.conformance.conftest import connect
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.steady_clients import SteadyClients

_RELOADS = 3
_CLIENTS = ["http", "grpc"] * 2
_EXPLICIT = ("--model-control-mode", "explicit", "--load-model", "*")
_POLL = ("--model-control-mode", "poll", "--repository-poll-secs", "1")


def test_a_load_call_is_not_noticed(tmp_path: Path, frontend: str) -> None:
    models = ChangingModels(tmp_path)
    with (
        RunningServer(tmp_path, ServerOptions(_EXPLICIT, frontend=frontend)) as server,
        connect("grpc", server) as control,
    ):
        clients = SteadyClients(server, _CLIENTS, models.ask_each)
        try:
            for _ in range(_RELOADS):
                weights = [models.weight_of(name, control) for name in ("onnx", "python")]
                for name in ChangingModels.NAMES:
                    models.change(name)
                    control.raw.load_model(name)
                assert weights != [models.weight_of(name, control) for name in ("onnx", "python")]
                clients.wait_for_a_round()
        finally:
            clients.stop()
    assert not clients.failures


def test_a_changed_file_is_not_noticed(tmp_path: Path) -> None:
    models = ChangingModels(tmp_path)
    with RunningServer(tmp_path, ServerOptions(_POLL)) as server:
        clients = SteadyClients(server, _CLIENTS, models.ask_each)
        try:
            for name in ChangingModels.NAMES:
                models.change(name)
            for name in ChangingModels.NAMES:
                server.wait_for_count(f"successfully loaded '{name}'", 2)
            clients.wait_for_a_round()
        finally:
            clients.stop()
    assert not clients.failures
