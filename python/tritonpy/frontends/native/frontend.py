"""The services of HTTP and gRPC on native sockets: where they listen.

What they do not answer themselves waits in the bridge for `control_plane`, which this module must
not import: it brings gRPC, Starlette and numpy, and a server answers sooner than those are here.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from tritonpy.core import Log, NativeFrontend
from tritonpy.errors import TritonError
from tritonpy.frontends.listening_socket import BACKLOG, bound_socket
from tritonpy.frontends.native.io_service import IoService
from tritonpy.options import GrpcOptions, HttpOptions

_Options = TypeVar("_Options", bound=HttpOptions | GrpcOptions)


class _NativeService(ABC, Generic[_Options]):
    """One protocol on native sockets. Confined to the loop that starts it."""

    name: str  # as start-up errors call it
    logged_name: str  # as the log calls it

    def __init__(self, options: _Options, io: IoService, log: Log) -> None:
        self._options = options
        self._io = io
        self._log = log

    async def start(self) -> None:
        """Listen, and log that it does.

        Raises UnavailableError `Socket '<a>:<p>' already in use`, InvalidArgError for TLS files.
        """
        listening = _listening_socket(self._options)
        port = listening.getsockname()[1]
        try:
            frontend, _ = self._io.open()
            self._listen(frontend, listening.detach())
        except TritonError:
            await self.stop(grace_s=0)
            raise
        self._log.info(f"Started {self.logged_name} at {self._options.address}:{port}")

    def reload_certificates(self) -> bool:
        """Read the TLS files again; whether there are any. InvalidArgError leaves all as it was."""
        if self._options.tls is None:
            return False
        frontend, _ = self._io.open()
        self._reload_tls(frontend)
        return True

    async def stop(self, grace_s: float) -> None:
        """Stop listening, give answers `grace_s` to be written, and close what is left."""
        await self._io.stop(grace_s)

    @abstractmethod
    def _listen(self, frontend: NativeFrontend, descriptor: int) -> None:
        """Serve at a socket that listens, which is the front end's from then on."""

    @abstractmethod
    def _reload_tls(self, frontend: NativeFrontend) -> None:
        """Read the TLS files again."""


class NativeHttpFrontend(_NativeService[HttpOptions]):
    """V2 over HTTP."""

    name = "HTTP"
    logged_name = "HTTPService"

    def _listen(self, frontend: NativeFrontend, descriptor: int) -> None:
        frontend.listen_http(self._options, descriptor)

    def _reload_tls(self, frontend: NativeFrontend) -> None:
        frontend.reload_http_tls()


class NativeGrpcFrontend(_NativeService[GrpcOptions]):
    """V2 over gRPC."""

    name = "GRPC"
    logged_name = "GRPCInferenceService"

    def _listen(self, frontend: NativeFrontend, descriptor: int) -> None:
        frontend.listen_grpc(self._options, descriptor)

    def _reload_tls(self, frontend: NativeFrontend) -> None:
        frontend.reload_grpc_tls()


def _listening_socket(options: HttpOptions | GrpcOptions) -> socket.socket:
    return bound_socket(
        options.address, options.port, reuse_port=options.reuse_port, backlog=BACKLOG
    )
