"""The host of all workers: starts them for the core, reaps them, and asks how they are.

A start is over when the model is initialised, failed, or dead, or when it takes longer than the
operator allows; how long its `initialize` takes is the model's affair otherwise. Whatever happens
to a worker is said in the log under its instance's name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from tritonpy.errors import InternalError
from tritonpy.worker_host.control import ControlServer, ForwardingLog
from tritonpy.worker_host.interpreter import Interpreter, Interpreters
from tritonpy.worker_host.metric_store import MetricStore
from tritonpy.worker_host.model_control import ModelControl
from tritonpy.worker_host.output import Logger
from tritonpy.worker_host.process import (
    WORKER_PROGRAM,
    WorkerProcess,
    start_completing,
    start_serving,
)
from tritonpy.worker_host.spec import WorkerSpec

# By which a model of Triton's brings a worker program built for another Python.
_STUB: Final = "triton_python_backend_stub"
# What a worker that has said its last word may take to end.
_GIVEN_UP_S: Final = 5.0


class Log(Logger, ForwardingLog, Protocol):
    """What workers and what runs them write to."""


@dataclass(frozen=True, slots=True)
class ReadyCheck:
    """The question to one model instance whether it is ready, perhaps not answered yet."""

    instance_name: str
    answer: Future[bool]


@dataclass(frozen=True, slots=True)
class _Worker:
    spec: WorkerSpec
    process: WorkerProcess
    control: ControlServer
    has_is_ready: bool = False

    def end(self, patience_s: float) -> str:
        """Reap the process and stop serving it; return how it ended."""
        ending = self.process.end(patience_s)
        self.control.join()
        return ending


class WorkerHost:
    """All workers of one server. Thread-safe."""

    def __init__(
        self,
        log: Log,
        cache: Path,
        *,
        verbose_level: Callable[[], int],
        stub_timeout_s: float,
        load_timeout_s: float = 0,
        program: Path = WORKER_PROGRAM,
    ) -> None:
        """`cache` keeps unpacked environments; `stub_timeout_s` is what a worker's end may take.

        `load_timeout_s` is what a model may take to start, 0 for any time; `program` is what
        workers run.
        """
        self.metrics = MetricStore()
        self.models = ModelControl()
        self._program = program
        self._log = log
        self._interpreters = Interpreters(cache)
        self._verbose_level = verbose_level
        self._stub_timeout_s = stub_timeout_s
        self._load_timeout_s = load_timeout_s or None
        self._on_health_change: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._workers: dict[int, _Worker] = {}

    def launch(
        self, spec_text: str, instance_name: str, kind: str, device_id: int
    ) -> tuple[int, ...]:
        """Start a worker for one instance: the ends of `CoreEnds`, in that order, and its pid.

        The descriptors belong to the caller. Blocks until the model is initialised. The calling
        thread must live as long as the worker, which the kernel kills when that thread ends.
        Raises InternalError with the reason, a traceback where the model has one, also when it is
        not initialised in time.
        """
        spec = WorkerSpec.from_text(spec_text)
        if (Path(spec.model_directory) / _STUB).is_file():
            self._log.warning(
                f"{instance_name}: '{_STUB}' in '{spec.model_directory}' is not run; a model names "
                "the interpreter that it needs by EXECUTION_ENV_PATH"
            )
        process, ends = start_serving(
            instance_name, self._program, self._interpreter(spec), self._log
        )
        try:
            worker = self._serve(spec, process)
            message = self._start_message(spec, "serve", instance_name, kind, device_id)
            outcome = self._started(worker, message, "ready")
        except BaseException:
            ends.close()
            raise
        ready = _Worker(spec, process, worker.control, outcome.get("has_is_ready") is True)
        with self._lock:
            self._workers[process.pid] = ready
        return *astuple(ends), process.pid

    def ended(self, pid: int) -> str:
        """Reap a worker whose channels are closed, killing it when it stays; return its end."""
        with self._lock:
            worker = self._workers.get(pid)
        return "not known" if worker is None else self._forget(worker, self._stub_timeout_s)

    def health_changed(self) -> None:
        """Some instance can run again, or no more; the core says so."""
        self._on_health_change()

    def on_health_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every such change; it must neither block nor raise."""
        self._on_health_change = listener

    def complete(self, spec: WorkerSpec) -> dict[str, Any] | None:
        """Let a model complete its config; None where it has nothing to say. Blocks.

        Raises InternalError with the reason, a traceback where the model has one.
        """
        process = start_completing(
            spec.model_name, self._program, self._interpreter(spec), self._log
        )
        worker = self._serve(spec, process)
        message = self._start_message(spec, "auto_complete", spec.model_name, "KIND_CPU", 0)
        outcome = self._started(worker, message, "completed")
        self._forget(worker, min(self._stub_timeout_s, _GIVEN_UP_S))
        config = outcome.get("config")
        return config if isinstance(config, dict) else None

    @property
    def has_checks(self) -> bool:
        """Whether any model has an is_ready of its own."""
        with self._lock:
            return any(worker.has_is_ready for worker in self._workers.values())

    def ask_ready(self, identifier: str, version: int) -> list[ReadyCheck]:
        """Ask every instance of a version whose model has an is_ready of its own."""
        with self._lock:
            workers = [
                worker
                for worker in self._workers.values()
                if worker.has_is_ready
                and (worker.spec.identifier, worker.spec.model_version) == (identifier, version)
            ]
        return [ReadyCheck(worker.process.name, worker.control.ask_ready()) for worker in workers]

    def memory_bytes(self, identifier: str) -> int:
        """Return what the workers of a model take now, their part of what they share included."""
        with self._lock:
            workers = [one for one in self._workers.values() if one.spec.identifier == identifier]
        return sum(worker.process.memory_bytes() for worker in workers)

    def kill_all(self) -> None:
        """Kill every worker that runs or starts: the server does not wait any longer."""
        with self._lock:
            workers: Iterable[_Worker] = tuple(self._workers.values())
        for worker in workers:
            worker.process.kill()

    def _interpreter(self, spec: WorkerSpec) -> Interpreter:
        return self._interpreters.find(spec.execution_env_path, Path(spec.model_directory))

    def _serve(self, spec: WorkerSpec, process: WorkerProcess) -> _Worker:
        metrics = self.metrics.holder()
        try:
            control = ControlServer(process.name, process.control, self._log, metrics, self.models)
        except RuntimeError:  # no more threads
            process.kill()
            process.end(self._stub_timeout_s)
            raise
        worker = _Worker(spec, process, control)
        with self._lock:
            self._workers[process.pid] = worker
        return worker

    def _forget(self, worker: _Worker, patience_s: float) -> str:
        """Reap a worker; return how it ended."""
        with self._lock:
            self._workers.pop(worker.process.pid, None)
        return worker.end(patience_s)

    def _start_message(
        self, spec: WorkerSpec, mode: str, instance_name: str, kind: str, device_id: int
    ) -> dict[str, Any]:
        return spec.start_message(mode, instance_name, kind, device_id, self._verbose_level())

    def _started(self, worker: _Worker, message: dict[str, Any], wanted: str) -> dict[str, Any]:
        """Return the worker's outcome; end the worker and raise InternalError for another one."""
        try:
            outcome = worker.control.start(message, self._load_timeout_s)
        except TimeoutError:
            worker.process.kill()
            self._forget(worker, self._stub_timeout_s)
            raise InternalError(
                f"Python model instance '{worker.process.name}' did not start within "
                f"{self._load_timeout_s:g} seconds and its worker was killed"
            ) from None
        except InternalError:
            ending = self._forget(worker, self._stub_timeout_s)
            self._log.warning(f"{worker.process.name}: {ending}")
            raise
        if outcome.get("op") != wanted:
            self._forget(worker, min(self._stub_timeout_s, _GIVEN_UP_S))
            raise InternalError(str(outcome.get("error", "the worker did not say why")))
        return outcome
