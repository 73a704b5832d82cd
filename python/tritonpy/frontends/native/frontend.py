"""The services of HTTP and gRPC on native sockets: where they listen, and what Python answers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial

from tritonpy.api import V2Service
from tritonpy.core import Core, EventKind, Inference, Log
from tritonpy.errors import TritonError
from tritonpy.frontends.grpc.servicer import control_calls
from tritonpy.frontends.http.app import HttpApp
from tritonpy.frontends.http.control import control_app
from tritonpy.frontends.http.generate import GenerateApp
from tritonpy.frontends.listening_socket import BACKLOG, bound_socket
from tritonpy.frontends.native.grpc_call import GrpcCall
from tritonpy.frontends.native.http_call import HttpCall
from tritonpy.frontends.native.io_service import IoService
from tritonpy.options import GrpcOptions, HttpOptions


class NativeHttpFrontend:
    """V2 over HTTP. Confined to the loop that starts it."""

    name = "HTTP"

    def __init__(
        self,
        options: HttpOptions,
        io: IoService,
        core: Core,
        service: V2Service,
        log: Log,
        render_metrics: Callable[[], bytes] | None,
    ) -> None:
        """`render_metrics` answers /metrics on this port too; None leaves it out."""
        self._options = options
        self._io = io
        self._core = core
        self._service = service
        self._log = log
        self._control = control_app(service, log, options.max_input_size, render_metrics)
        self._render_metrics = render_metrics
        self._inference: Inference | None = None

    async def start(self) -> None:
        """Listen, and log that it does.

        Raises UnavailableError `Socket '<a>:<p>' already in use`, InvalidArgError for TLS files.
        """
        listening = _listening_socket(self._options)
        port = listening.getsockname()[1]
        try:
            frontend, bridge = self._io.open()
            self._inference = self._core.inference()  # of generate, to which nothing is forwarded
            service, inference, log = self._service, self._inference, self._log
            size, metrics = self._options.max_input_size, self._render_metrics
            others = GenerateApp(service, inference, self._control, log, size, metrics)
            app = HttpApp(service, inference, others, log, size)
            bridge.open_with(EventKind.HTTP_REQUEST, partial(HttpCall, app, self._log))
            frontend.listen_http(self._options, listening.detach())
        except TritonError:
            await self.stop(grace_s=0)
            raise
        self._log.info(f"Started HTTPService at {self._options.address}:{port}")

    def reload_certificates(self) -> bool:
        """Read the TLS files again; whether there are any. InvalidArgError leaves all as it was."""
        if self._options.tls is None:
            return False
        frontend, _ = self._io.open()
        frontend.reload_http_tls()
        return True

    async def stop(self, grace_s: float) -> None:
        """Stop listening, give answers `grace_s` to be written, and close what is left.

        Without any grace, requests that are still in the core are left there.
        """
        await self._io.stop(grace_s)
        if self._inference is not None and grace_s > 0:
            self._inference.close()


class NativeGrpcFrontend:
    """V2 over gRPC. Confined to the loop that starts it."""

    name = "GRPC"

    def __init__(self, options: GrpcOptions, io: IoService, service: V2Service, log: Log) -> None:
        self._options = options
        self._io = io
        self._service = service
        self._log = log

    async def start(self) -> None:
        """Listen, and log that it does.

        Raises UnavailableError `Socket '<a>:<p>' already in use`, InvalidArgError for TLS files.
        """
        listening = _listening_socket(self._options)
        port = listening.getsockname()[1]
        try:
            frontend, bridge = self._io.open()
            calls = control_calls(self._service)
            bridge.open_with(EventKind.GRPC_CALL, partial(GrpcCall, calls, self._log))
            frontend.listen_grpc(self._options, listening.detach())
        except TritonError:
            await self.stop(grace_s=0)
            raise
        self._log.info(f"Started GRPCInferenceService at {self._options.address}:{port}")

    def reload_certificates(self) -> bool:
        """Read the TLS files again; whether there are any. InvalidArgError leaves all as it was."""
        if self._options.tls is None:
            return False
        frontend, _ = self._io.open()
        frontend.reload_grpc_tls()
        return True

    async def stop(self, grace_s: float) -> None:
        """Stop listening, give answers `grace_s` to be written, and close what is left."""
        await self._io.stop(grace_s)


def _listening_socket(options: HttpOptions | GrpcOptions) -> socket.socket:
    return bound_socket(
        options.address, options.port, reuse_port=options.reuse_port, backlog=BACKLOG
    )
