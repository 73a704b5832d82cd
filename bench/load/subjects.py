"""The servers that are compared, all running side by side while one at a time is under load."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.load.answers import answer_of
from bench.load.load_client import LoadError
from bench.load.payloads import Payload, grpc_message, http_request
from bench.load.scenarios import Protocol, Scenario
from bench.load.server_process import ServerProcess, echo_server, floor_server, tritonpy_server

FRONTENDS = ("native", "python")
SUBJECTS = (*FRONTENDS, "floor", "echo")
_OWN_MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another V2 server that somebody else started, with the same models."""

    name: str
    pid: int
    http_port: int
    grpc_port: int


@dataclass(frozen=True, slots=True)
class Setting:
    """Where things are, and what the servers run on."""

    programs: Path
    repository: Path
    scratch: Path
    server_pin: tuple[str, ...]
    server_threads: int
    server_options: tuple[str, ...]
    peers: tuple[Peer, ...]


class Subjects:
    """Starts what the scenarios need, and ends it with the stack."""

    def __init__(self, setting: Setting, stack: ExitStack) -> None:
        self._setting = setting
        self._stack = stack
        self._servers: dict[str, ServerProcess] = {}
        self._floors: dict[tuple[str, Protocol], ServerProcess] = {}
        self._answers: dict[tuple[str, str, Protocol], bytes] = {}
        self._files: dict[tuple[str, Protocol], Path] = {}

    def start(self, names: Sequence[str], scenarios: Sequence[Scenario]) -> None:
        """Start the named front ends and the echo; find the peers."""
        models = sorted({one.payload.model for one in scenarios})
        if "python_bls" in models:
            models.append("identity_fp32")  # which it calls
        repositories = (self._setting.repository, _OWN_MODELS)
        pin = self._setting.server_pin
        for name in names:
            if name in FRONTENDS:
                server = tritonpy_server(
                    pin, name, repositories, models, self._setting.server_options
                )
                self._servers[name] = self._stack.enter_context(server)
            elif name == "echo":
                self._servers[name] = self._stack.enter_context(echo_server(pin))
        for peer in self._setting.peers:
            self._servers[peer.name] = ServerProcess(
                psutil.Process(peer.pid), peer.http_port, peer.grpc_port
            )

    def server(self, name: str, scenario: Scenario) -> ServerProcess | None:
        """Return the subject's server, None when it has no such protocol or model.

        Raises LoadError when a server that speaks V2 gives a wrong answer.
        """
        if name == "floor":
            return self._floor(scenario)
        server = self._servers[name]
        if not server.port(scenario.protocol) or not server.serves(scenario.payload.model):
            return None
        if server.speaks_v2:
            self._answer(name, scenario.payload, scenario.protocol)
        return server

    def request(self, scenario: Scenario) -> Path:
        """Return the file that holds what a client sends."""
        key = (scenario.payload.title, scenario.protocol)
        if key not in self._files:
            make = http_request if scenario.protocol == "http" else grpc_message
            self._files[key] = self._file("request", make(scenario.payload))
        return self._files[key]

    def _floor(self, scenario: Scenario) -> ServerProcess:
        key = (scenario.payload.title, scenario.protocol)
        if key not in self._floors:
            answer = self._file("answer", self._model_answer(scenario))
            program = self._setting.programs / "floor"
            pin, threads = self._setting.server_pin, self._setting.server_threads
            self._floors[key] = self._stack.enter_context(
                floor_server(program, pin, scenario.protocol, answer, threads)
            )
        return self._floors[key]

    def _answer(self, name: str, payload: Payload, protocol: Protocol) -> bytes:
        key = (name, payload.title, protocol)
        if key not in self._answers:
            self._answers[key] = answer_of(self._servers[name], payload, protocol)
        return self._answers[key]

    def _model_answer(self, scenario: Scenario) -> bytes:
        for name in FRONTENDS:
            if name in self._servers:
                return self._answer(name, scenario.payload, scenario.protocol)
        raise LoadError("the floor repeats what a front end answers: name one of them, too")

    def _file(self, kind: str, content: bytes) -> Path:
        count = len(self._files) + len(self._floors)
        path = self._setting.scratch / f"{kind}-{count}"
        path.write_bytes(content)
        return path
