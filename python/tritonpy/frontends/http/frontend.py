"""The HTTP services: V2 on one port, metrics on another."""

from __future__ import annotations

from collections.abc import Callable

from tritonpy.api import V2Service
from tritonpy.core import Core, Inference, Log
from tritonpy.frontends.http.app import HttpApp
from tritonpy.frontends.http.control import control_app
from tritonpy.frontends.http.generate import GenerateApp
from tritonpy.frontends.http.listener import HttpListener
from tritonpy.options import HttpOptions


class HttpFrontend:
    """V2 over HTTP. Confined to the loop that starts it; owns its way into the core."""

    name = "HTTP"

    def __init__(
        self,
        options: HttpOptions,
        core: Core,
        service: V2Service,
        log: Log,
        render_metrics: Callable[[], bytes] | None,
        idle_timeout_s: int,
    ) -> None:
        """`render_metrics` answers /metrics on this port too; None leaves it out."""
        self._options = options
        self._idle_timeout_s = idle_timeout_s
        self._core = core
        self._log = log
        self._service = service
        self._control = control_app(service, log, options.max_input_size, render_metrics)
        self._render_metrics = render_metrics
        self._inference: Inference | None = None
        self._listener: HttpListener | None = None

    async def start(self) -> None:
        """Listen, and log that it does. Raises as HttpListener.start."""
        options = self._options
        self._inference = self._core.inference(options.header_forward_pattern, ignore_case=True)
        service, inference, log = self._service, self._inference, self._log
        size, metrics = options.max_input_size, self._render_metrics
        others = GenerateApp(service, inference, self._control, log, size, metrics)
        app = HttpApp(service, inference, others, log, size)
        self._listener = HttpListener(
            app,
            options.address,
            options.port,
            reuse_port=options.reuse_port,
            idle_timeout_s=self._idle_timeout_s,
            tls=options.tls,
        )
        await self._listener.start()
        self._log.info(f"Started HTTPService at {self._listener.endpoint}")

    def reload_certificates(self) -> bool:
        """Read the TLS files again; whether there are any. InvalidArgError leaves all as it was."""
        return self._listener is not None and self._listener.reload_certificates()

    async def stop(self, grace_s: float) -> None:
        """Stop listening, give answers `grace_s` to be written, and close what is left.

        Without any grace, requests that are still in the core are left there.
        """
        if self._listener is not None:
            await self._listener.stop(grace_s)
        if self._inference is not None and grace_s > 0:
            self._inference.close()


class MetricsFrontend:
    """Metrics on a port of their own. Confined to the loop that starts it."""

    name = "Metrics"

    def __init__(self, listener: HttpListener, log: Log) -> None:
        self._listener = listener
        self._log = log

    async def start(self) -> None:
        """Listen, and log that it does. UnavailableError `Socket '<a>:<p>' already in use`."""
        await self._listener.start()
        self._log.info(f"Started Metrics Service at {self._listener.endpoint}")

    def reload_certificates(self) -> bool:
        """Return False: metrics are served without TLS."""
        return False

    async def stop(self, grace_s: float) -> None:
        """Stop listening, give answers `grace_s` to be written, and close what is left."""
        await self._listener.stop(grace_s)
