"""A listening socket with uvicorn behind it, inside a loop that somebody else runs."""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from tritonpy.frontends.http.connection import Connection
from tritonpy.frontends.listening_socket import BACKLOG, bound_socket
from tritonpy.frontends.tls import load_files, server_context
from tritonpy.options import TlsFiles

# Triton never closes an idle connection; an hour is close to that and still bounded.
_IDLE_TIMEOUT_S: Final = 3600
_PROTOCOL: Final = "http/1.1"


class HttpListener:
    """Serves one ASGI application at one address. Confined to the loop."""

    def __init__(
        self,
        app: ASGIApp,
        address: str,
        port: int,
        *,
        reuse_port: bool = False,
        idle_timeout_s: int = _IDLE_TIMEOUT_S,
        tls: TlsFiles | None = None,
    ) -> None:
        """Port 0 is any free one. With `reuse_port` other servers may listen there too."""
        self._app = app
        self._address = address
        self._port = port
        self._reuse_port = reuse_port
        self._idle_timeout_s = idle_timeout_s
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._server: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> str:
        """`<address>:<port>`, with the port that it has."""
        return f"{self._address}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises UnavailableError `Socket '<address>:<port>' already in use`, InvalidArgError for
        TLS files.
        """
        if self._tls is not None:
            self._context = server_context(self._tls, _PROTOCOL)
        listening = bound_socket(
            self._address, self._port, reuse_port=self._reuse_port, backlog=BACKLOG
        )
        self._port = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=self._idle_timeout_s,
        )
        config.load()
        config.ssl = self._context
        self._server = _Uvicorn(config)
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[listening]))

    def reload_certificates(self) -> bool:
        """Read the TLS files again; whether there are any. InvalidArgError leaves all as it was."""
        if self._tls is None or self._context is None:
            return False
        server_context(self._tls, _PROTOCOL)  # so that bad files do not reach the one in use
        load_files(self._context, self._tls)
        return True

    async def stop(self, grace_s: float) -> None:
        """Stop listening, give answers `grace_s` to be written, and close what is left."""
        if self._server is None or self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = math.ceil(grace_s)
        self._server.should_exit = True
        await self._serving


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: the server's own decide when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
