"""The gRPC service: V2, health and reflection on one port, under grpc.aio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import grpc

from tritonpy.api import V2Service
from tritonpy.core import Core, Inference, Log
from tritonpy.errors import InvalidArgError, UnavailableError
from tritonpy.frontends.grpc.certificates import Certificates
from tritonpy.frontends.grpc.handlers import CallHandlers
from tritonpy.frontends.grpc.infer import InferCalls
from tritonpy.frontends.grpc.servicer import control_calls
from tritonpy.frontends.listening_socket import bound_socket
from tritonpy.options import GrpcOptions

_INT_MAX: Final = 2**31 - 1
# What the core library of gRPC makes of its compression levels.
_COMPRESSION_OF_LEVEL: Final = {
    "none": None,
    "low": grpc.Compression.Gzip,
    "medium": grpc.Compression.Deflate,
    "high": grpc.Compression.Deflate,
}


class GrpcFrontend:
    """V2 over gRPC. Confined to the loop that starts it; owns its way into the core."""

    name = "GRPC"

    def __init__(
        self, options: GrpcOptions, core: Core, service: V2Service, log: Log, idle_timeout_s: int
    ) -> None:
        self._options = options
        self._idle_timeout_s = idle_timeout_s
        self._core = core
        self._service = service
        self._log = log
        self._inference: Inference | None = None
        self._server: grpc.aio.Server | None = None
        self._certificates: Certificates | None = None

    async def start(self) -> None:
        """Listen, and log that it does.

        Raises UnavailableError `Socket '<a>:<p>' already in use`, InvalidArgError for TLS files.
        """
        server = grpc.aio.server(
            options=list(_channel_options(self._options, self._idle_timeout_s))
        )
        self._inference = self._core.inference(self._options.header_forward_pattern)
        infer = InferCalls(
            self._inference,
            lambda: self._service.is_exiting,
            _COMPRESSION_OF_LEVEL[self._options.compression_level],
        )
        server.add_generic_rpc_handlers((CallHandlers(control_calls(self._service), infer),))
        port = self._bind(server)
        self._server = server
        await server.start()
        self._log.info(f"Started GRPCInferenceService at {self._options.address}:{port}")

    def reload_certificates(self) -> bool:
        """Read the TLS files again; whether there are any. InvalidArgError leaves all as it was."""
        if self._certificates is None:
            return False
        self._certificates.reload()
        return True

    async def stop(self, grace_s: float) -> None:
        """Stop listening, give answers `grace_s` to be written, and close what is left.

        Without any grace, requests that are still in the core are left there.
        """
        if self._server is not None:
            await self._server.stop(grace_s)
        if self._inference is not None and grace_s > 0:
            self._inference.close()

    def _bind(self, server: grpc.aio.Server) -> int:
        options = self._options
        # gRPC does not say why it cannot bind, so that is found out first.
        bound_socket(options.address, options.port, reuse_port=options.reuse_port).close()
        address = f"{options.address}:{options.port}"
        if options.tls is None:
            try:
                return server.add_insecure_port(address)
            except RuntimeError as error:
                raise UnavailableError(f"Socket '{address}': {error}") from error
        self._certificates = Certificates(options.tls)
        try:
            return server.add_secure_port(address, self._certificates.credentials())
        except RuntimeError as error:
            raise InvalidArgError(
                f"failed to set up TLS with '{options.tls.server_cert}'"
            ) from error


def _channel_options(options: GrpcOptions, idle_timeout_s: int) -> Iterator[tuple[str, int]]:
    keepalive = options.keepalive
    yield "grpc.max_connection_idle_ms", min(1000 * idle_timeout_s, _INT_MAX)
    yield "grpc.max_send_message_length", _INT_MAX
    yield "grpc.max_receive_message_length", options.max_receive_message_size
    yield "grpc.so_reuseport", int(options.reuse_port)
    yield "grpc.keepalive_time_ms", keepalive.time_ms
    yield "grpc.keepalive_timeout_ms", keepalive.timeout_ms
    yield "grpc.keepalive_permit_without_calls", int(keepalive.permit_without_calls)
    yield "grpc.http2.max_pings_without_data", keepalive.max_pings_without_data
    yield (
        "grpc.http2.min_ping_interval_without_data_ms",
        keepalive.min_recv_ping_interval_ms,
    )
    yield "grpc.http2.max_ping_strikes", keepalive.max_ping_strikes
    if keepalive.max_connection_age_ms:
        yield "grpc.max_connection_age_ms", keepalive.max_connection_age_ms
    if keepalive.max_connection_age_grace_ms:
        yield "grpc.max_connection_age_grace_ms", keepalive.max_connection_age_grace_ms
