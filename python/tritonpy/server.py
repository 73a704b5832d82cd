"""One server from start to stop; with `services` the only place where the parts are put together.

Start: log, core, repository, models, front ends. Stop: nothing is ready any more, requests in
flight are answered, loads end, front ends close, models unload, all within the exit timeout.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import partial
from typing import NoReturn, Protocol, TypeVar

import uvloop

from tritonpy import __version__
from tritonpy.core import Core, Log, LogSettings, onnxruntime_library_path
from tritonpy.errors import InternalError, TritonError
from tritonpy.options import LogOptions, ServerOptions
from tritonpy.repository import Clock, Logger, ModelRepository, open_mirrors, status_table
from tritonpy.services import Frontend, ServedParts, Services
from tritonpy.worker_host import WorkerHost, cache_directory

# What front ends get to write answers that are already there, once nothing is in flight.
_WRITE_GRACE_S = 5.0
# What idle models get to unload even when no time is left: an exit timeout of 0 is no failure.
_UNLOAD_GRACE_S = 1.0
_NS_PER_S = 1e9
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_Result = TypeVar("_Result")


class InFlightModel(Protocol):
    """Requests that one model version still has to answer."""

    @property
    def model_name(self) -> str:
        """Name of the model."""

    @property
    def model_version(self) -> int:
        """Its version."""

    @property
    def count(self) -> int:
        """How many."""


class DrainingCore(Protocol):
    """What stopping asks of the core."""

    def drain(self, timeout_s: float, *, end_sequences: bool) -> bool:
        """Refuse new inference, but in open sequences, and wait; whether all ended. Blocks."""

    def in_flight(self) -> Sequence[InFlightModel]:
        """Return what is in flight."""


class Outcome(Enum):
    """How a server ended."""

    STOPPED = "stopped"  # everything was answered and unloaded
    ABANDONED = "abandoned"  # requests or loads still ran when the time was up, and still do


class StartError(Exception):
    """The server could not start; the text is one line for the operator."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.outcome = Outcome.STOPPED  # of what had started already


class Server:
    """One server, confined to one asyncio loop. Blocking work goes to threads of its own.

    After Outcome.ABANDONED threads may never end: the process must be left without them.
    """

    def __init__(
        self,
        options: ServerOptions,
        log: Logger,
        core: DrainingCore,
        repository: ModelRepository,
        frontends: Sequence[Frontend],
        clock: Clock | None = None,
    ) -> None:
        self._options = options
        self._log = log
        self._core = core
        self._repository = repository
        self._frontends = tuple(frontends)
        self._started: list[Frontend] = []
        self._clock = clock or Clock()
        self._loading: asyncio.Future[bool] | None = None
        # Two: the first load of all models may still run when the server stops.
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="server")

    async def run(self, stop: asyncio.Event) -> Outcome:
        """Start, serve until `stop` is set, and stop. Raises StartError."""
        try:
            await self._load_models(stop)
            if not stop.is_set():
                await self._start_frontends()
            await stop.wait()
        except BaseException as error:
            outcome = await self._stop_half_started()
            if isinstance(error, StartError):
                error.outcome = outcome
            raise
        return await self._stop()

    def reload_certificates(self) -> None:
        """Let every service that speaks TLS read its files again, and log how that went."""
        for frontend in self._started:
            try:
                reloaded = frontend.reload_certificates()
            except TritonError as error:
                self._log.error(f"failed to reload TLS for {frontend.name}: {error.message}")
                continue
            if reloaded:
                self._log.info(f"reloaded TLS for {frontend.name}")

    async def _load_models(self, stop: asyncio.Event) -> None:
        self._loading = asyncio.ensure_future(self._blocking(self._repository.load_all))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((self._loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set():
            return  # stopping waits for what is being loaded, as long as it may
        succeeded = await self._loading
        for line in status_table(self._repository.index()).splitlines():
            self._log.info(line)  # one by one: the log escapes line ends
        if not succeeded:
            error = InternalError("failed to load all models")
            self._log.error(error.message)
            if self._options.exit_on_error:
                raise StartError(creation_failure(error)) from error

    async def _start_frontends(self) -> None:
        for frontend in self._frontends:
            try:
                await frontend.start()
            except TritonError as error:
                raise StartError(
                    f"failed to start {frontend.name} service: {error.code.value} - {error.message}"
                ) from error
            self._started.append(frontend)

    async def _stop(self) -> Outcome:
        self._repository.begin_exit()
        remaining_s = await self._drain()
        if remaining_s is None:
            return await self._abandon()
        deadline_ns = self._deadline_ns(remaining_s)
        if not await self._end_loads(deadline_ns):
            return await self._abandon()
        await self._stop_frontends(min(self._left_s(deadline_ns), _WRITE_GRACE_S))
        return await self._unload(deadline_ns)

    async def _stop_half_started(self) -> Outcome:
        self._repository.begin_exit()
        deadline_ns = self._deadline_ns(self._options.exit_timeout_s)
        await self._stop_frontends(min(self._left_s(deadline_ns), _WRITE_GRACE_S))
        return await self._unload(deadline_ns)

    async def _abandon(self) -> Outcome:
        self._log.error("Exit timeout expired. Exiting immediately.")
        await self._stop_frontends(grace_s=0)
        return Outcome.ABANDONED

    async def _end_loads(self, deadline_ns: int) -> bool:
        """Wait for loads and unloads that run, so that who asked for them is answered."""
        wait = partial(self._repository.wait_until_idle, self._left_s(deadline_ns))
        return await self._blocking(wait)

    async def _unload(self, deadline_ns: int) -> Outcome:
        closing = asyncio.ensure_future(self._blocking(self._repository.close))
        ending: list[asyncio.Future[None] | asyncio.Future[bool]] = [closing]
        if self._loading is not None:
            ending.append(self._loading)
        grace_s = max(self._left_s(deadline_ns), _UNLOAD_GRACE_S)
        done, late = await asyncio.wait(ending, timeout=grace_s)
        if late:
            return await self._abandon()
        for future in done:
            future.result()  # a bug in it ends here
        return Outcome.STOPPED

    def _deadline_ns(self, timeout_s: float) -> int:
        return self._clock.monotonic_ns() + round(timeout_s * _NS_PER_S)

    def _left_s(self, deadline_ns: int) -> float:
        return max(deadline_ns - self._clock.monotonic_ns(), 0) / _NS_PER_S

    async def _drain(self) -> float | None:
        """Wait for requests in flight, saying each second which; return the seconds left over.

        None when they did not end in time.
        """
        # Nothing new is taken from here on, before that is announced: io threads go on meanwhile.
        await self._blocking(partial(self._core.drain, 0.0, end_sequences=False))
        self._log.info("Waiting for in-flight requests to complete.")
        for remaining_s in range(self._options.exit_timeout_s, -1, -1):
            busy = [model for model in self._core.in_flight() if model.count]
            self._log.info(
                f"Timeout {remaining_s}: Found {len(busy)} model versions that have in-flight "
                "inferences"
            )
            for model in busy:
                self._log.info(
                    f"Model '{model.model_name}' (version {model.model_version}) has {model.count} "
                    "in-flight inferences"
                )
            wait = partial(self._core.drain, min(remaining_s, 1), end_sequences=not remaining_s)
            if await self._blocking(wait):
                return float(remaining_s)
        return None

    async def _stop_frontends(self, grace_s: float) -> None:
        stopping = [frontend.stop(grace_s) for frontend in reversed(self._started)]
        self._started.clear()
        await asyncio.gather(*stopping)

    async def _blocking(self, call: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._workers, call)


def serve(options: ServerOptions) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status of the process.

    Does not return when the exit timeout expires, but ends the process.
    """
    try:
        uvloop.run(_serve(options))
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _serve(options: ServerOptions) -> None:
    log = Log()
    try:
        log.configure(_log_settings(options.log))
        parts = _parts(options, log)
    except TritonError as error:
        raise StartError(creation_failure(error)) from error
    log.info(f"tritonpy {__version__}")
    frontends = Services(options, parts).frontends()
    server = Server(options, log, parts.core, parts.repository, frontends)
    loop = asyncio.get_running_loop()
    if options.http.tls is not None or options.grpc.tls is not None:
        loop.add_signal_handler(signal.SIGHUP, server.reload_certificates)
    try:
        outcome = await server.run(_stop_on_signals(loop))
    except StartError as error:
        if error.outcome is Outcome.ABANDONED:
            print(error, file=sys.stderr)
            _leave(parts)
        raise
    if outcome is Outcome.ABANDONED:
        _leave(parts)


def _leave(parts: ServedParts) -> NoReturn:
    """End the process with 1 here and now; the interpreter would join threads that do not end."""
    parts.workers.kill_all()
    parts.repository.remove_copies()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)


def _parts(options: ServerOptions, log: Log) -> ServedParts:
    workers = WorkerHost(
        log,
        cache_directory(os.environ),
        verbose_level=lambda: log.settings().verbose_level,
        stub_timeout_s=options.python.stub_timeout_s,
        load_timeout_s=options.python.load_timeout_s,
    )
    core = Core(log, onnxruntime_library_path(), workers, options.limits)
    mirrors = open_mirrors(options.repository, os.environ, log)
    repository = ModelRepository(
        core, log, options.repository, python_models=workers, mirrors=mirrors
    )
    workers.models.attach(repository, core)
    workers.on_health_change(repository.note_change)
    return ServedParts(log, core, repository, workers)


def creation_failure(error: TritonError) -> str:
    """Return the one line that says why there is no server."""
    return f"error: creating server: {error.code.value} - {error.message}"


def _log_settings(options: LogOptions) -> LogSettings:
    return LogSettings(
        info=options.info,
        warning=options.warning,
        error=options.error,
        verbose_level=options.verbose_level,
        format=options.format,
        file=options.file,
        escape=options.escape,
    )


def _stop_on_signals(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Return an event that the first SIGINT or SIGTERM sets; later ones are ignored."""
    stop = asyncio.Event()

    def receive(number: int) -> None:
        if not stop.is_set():
            print(f"Signal ({number}) received.", flush=True)
            stop.set()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, receive, int(number))
    return stop
