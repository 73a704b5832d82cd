"""The services of HTTP and gRPC on native sockets: where they listen.

What they do not answer themselves waits in the bridge for `control_plane`, which this module must
not import: it brings gRPC, Starlette and numpy, and a server answers sooner than those are here.
"""

from __future__ import annotations

import socket

from tritonpy.core import Log
from tritonpy.errors import TritonError
from tritonpy.frontends.listening_socket import BACKLOG, bound_socket
from tritonpy.frontends.native.io_service import IoService
from tritonpy.options import GrpcOptions, HttpOptions


class NativeHttpFrontend:
    """V2 over HTTP. Confined to the loop that starts it."""

    name = "HTTP"

    def __init__(self, options: HttpOptions, io: IoService, log: Log) -> None:
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
        """Stop listening, give answers `grace_s` to be written, and close what is left."""
        await self._io.stop(grace_s)


class NativeGrpcFrontend:
    """V2 over gRPC. Confined to the loop that starts it."""

    name = "GRPC"

    def __init__(self, options: GrpcOptions, io: IoService, log: Log) -> None:
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
