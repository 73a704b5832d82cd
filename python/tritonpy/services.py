"""What listens: the services that the options choose, in the order in which they start.

The other half of the composition. Modules that a start can do without are imported here, late: with
native sockets gRPC, Starlette, uvicorn and numpy, a third of a second in all, which then pass while
requests are being answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from tritonpy import __version__
from tritonpy.api import V2Service
from tritonpy.core import Core, Log
from tritonpy.options import ServerOptions
from tritonpy.repository import ModelRepository
from tritonpy.worker_host import WorkerHost

if TYPE_CHECKING:
    from tritonpy.frontends.native import IoService
    from tritonpy.metrics import MetricsPage


class Frontend(Protocol):
    """Something that listens: HTTP, gRPC or metrics. Lives on one asyncio loop."""

    @property
    def name(self) -> str:
        """The service as start-up errors call it: HTTP, GRPC or Metrics."""

    async def start(self) -> None:
        """Listen, and log that it does. UnavailableError `Socket '<a>:<p>' already in use`."""

    def reload_certificates(self) -> bool:
        """Read TLS files again; whether there are any. InvalidArgError leaves all as it was."""

    async def stop(self, grace_s: float) -> None:
        """Stop listening, give answers `grace_s` to be written, and close what is left."""


@dataclass(frozen=True, slots=True)
class ServedParts:
    """What the services are for. Thread-safe, all of it."""

    log: Log
    core: Core
    repository: ModelRepository
    workers: WorkerHost


class Services:
    """Makes what listens. Confined to the server's loop, but for what `_Late` makes."""

    def __init__(self, options: ServerOptions, parts: ServedParts) -> None:
        self._options = options
        self._parts = parts
        self._service = V2Service(
            parts.repository,
            parts.core,
            parts.log.settings,
            server_name=options.server_id,
            server_version=__version__,
            strict_readiness=options.strict_readiness,
            checks=parts.workers,
            rollouts=parts.repository.rollouts,
        )

    def frontends(self) -> tuple[Frontend, ...]:
        """Return what the options ask for, in the order in which it starts."""
        make = self._native if self._options.frontend == "native" else self._python
        return *make(), *self._metrics()

    def _native(self) -> Iterator[Frontend]:
        from tritonpy.frontends.native import IoService, NativeGrpcFrontend, NativeHttpFrontend

        options, log = self._options, self._parts.log
        io = IoService(options.connections, self._parts.core, self._service)
        if options.grpc.enabled:
            yield NativeGrpcFrontend(options.grpc, io, log)
        if options.http.enabled:
            yield NativeHttpFrontend(options.http, io, log)
        if options.grpc.enabled or options.http.enabled:
            yield _Late("Control", partial(self._native_control_plane, io))

    def _native_control_plane(self, io: IoService) -> Frontend:
        from tritonpy.frontends.native.control_plane import NativeControlPlane

        core, log = self._parts.core, self._parts.log
        size = self._options.http.max_input_size
        return NativeControlPlane(io, core, self._service, log, size, self._render())

    def _python(self) -> Iterator[Frontend]:
        options, core, log = self._options, self._parts.core, self._parts.log
        idle_timeout_s = options.connections.idle_timeout_s
        if options.grpc.enabled:
            from tritonpy.frontends.grpc import GrpcFrontend

            yield GrpcFrontend(options.grpc, core, self._service, log, idle_timeout_s)
        if options.http.enabled:
            from tritonpy.frontends.http import HttpFrontend

            yield HttpFrontend(
                options.http, core, self._service, log, self._render(), idle_timeout_s
            )

    def _metrics(self) -> Iterator[Frontend]:
        if self._options.metrics.enabled:
            yield _Late("Metrics", self._metrics_frontend)

    def _metrics_frontend(self) -> Frontend:
        from tritonpy.frontends.http import HttpListener, MetricsFrontend
        from tritonpy.metrics import MetricsApp

        metrics = self._options.metrics
        listener = HttpListener(MetricsApp(self._page), metrics.address, metrics.port)
        return MetricsFrontend(listener, self._parts.log)

    def _render(self) -> Callable[[], bytes] | None:
        return self._page.render if self._options.metrics.enabled else None

    @cached_property
    def _page(self) -> MetricsPage:
        from tritonpy.metrics import server_page

        parts = self._parts
        return server_page(
            parts.repository, parts.core, parts.workers.metrics, self._options.metrics
        )


class _Late:
    """A service that is imported and made on a thread of its own, when it is to start."""

    def __init__(self, name: str, make: Callable[[], Frontend]) -> None:
        self.name = name
        self._make = make
        self._made: Frontend | None = None

    async def start(self) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="import") as thread:
            made = await asyncio.get_running_loop().run_in_executor(thread, self._make)
        await made.start()
        self._made = made

    def reload_certificates(self) -> bool:
        return self._made is not None and self._made.reload_certificates()

    async def stop(self, grace_s: float) -> None:
        if self._made is not None:
            await self._made.stop(grace_s)
