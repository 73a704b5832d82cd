"""`python -m bench.soak.reloads`: models are reloaded every second under load; nobody notices.

32 clients, half of them over each protocol, ask an ONNX, an identity and a Python model all the
time. With `--control explicit` every model is written anew and loaded by a call each second, a
Python model, whose worker takes its time to start, as often as it goes. With `--control poll` one
of them is written anew each second and the server finds out itself. Ends with status 1 when a
request failed or was answered wrongly, when a load failed, or when no model was loaded again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.changing_models import ChangingModels
from tests.conformance.conftest import connect
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.steady_clients import SteadyClients

_CLIENTS = 32
_INTERVAL_S = 1.0
_CONTROL_ARGUMENTS = {
    "explicit": ("--model-control-mode", "explicit", "--load-model", "*"),
    "poll": ("--model-control-mode", "poll", "--repository-poll-secs", "1"),
}


def _reload_by_call(server: RunningServer, models: ChangingModels, name: str, end: float) -> None:
    with connect("grpc", server) as client:
        while time.monotonic() < end:
            began = time.monotonic()
            models.change(name)
            client.raw.load_model(name)
            time.sleep(max(0.0, began + _INTERVAL_S - time.monotonic()))


def _reload_all_by_call(server: RunningServer, models: ChangingModels, end: float) -> None:
    reloaders = [
        threading.Thread(target=_reload_by_call, args=(server, models, name, end))
        for name in ChangingModels.NAMES
    ]
    for reloader in reloaders:
        reloader.start()
    for reloader in reloaders:
        reloader.join()


def _change_files(models: ChangingModels, end: float) -> None:
    while time.monotonic() < end:
        for name in ChangingModels.NAMES:
            models.change(name)
            time.sleep(_INTERVAL_S)


def _loads(server: RunningServer) -> dict[str, int]:
    output = server.output
    return {name: output.count(f"successfully loaded '{name}'") for name in ChangingModels.NAMES}


def _complaints(server: RunningServer, failures: Sequence[Exception]) -> list[str]:
    complaints = [f"{type(each).__name__}: {each}" for each in failures]
    complaints += [line for line in server.output.splitlines() if "failed" in line]
    if min(_loads(server).values()) < 3:
        complaints.append("a model was hardly ever reloaded")
    return complaints


def main(arguments: Sequence[str]) -> int:
    """Soak and print the figures; 1 when somebody noticed."""
    parser = argparse.ArgumentParser(prog="bench.soak.reloads", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--control", choices=tuple(_CONTROL_ARGUMENTS), default="explicit")
    parser.add_argument("--frontend", choices=("native", "python"), default="native")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        models = ChangingModels(Path(directory))
        server_options = ServerOptions(
            _CONTROL_ARGUMENTS[options.control], frontend=options.frontend
        )
        with RunningServer(Path(directory), server_options) as server:
            clients = SteadyClients(server, ["http", "grpc"] * (_CLIENTS // 2), models.ask_each)
            end = time.monotonic() + options.seconds
            if options.control == "explicit":
                _reload_all_by_call(server, models, end)
            else:
                _change_files(models, end)
            clients.stop()
            complaints = _complaints(server, clients.failures)
            requests = clients.asked * len(ChangingModels.NAMES)
            print(f"{requests} requests, {len(clients.failures)} failed; loads: {_loads(server)}")
    print("\n".join(complaints[:10]) or "nobody noticed")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
