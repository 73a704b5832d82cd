"""What Python answers on native sockets: the control plane, behind the bridge.

It is imported and started when the sockets listen already. What clients ask it before then waits in
the bridge, while inference, live and ready are answered without it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tritonpy.api import V2Service
from tritonpy.core import Core, EventKind, Inference, Log
from tritonpy.frontends.grpc.servicer import control_calls
from tritonpy.frontends.http.app import HttpApp
from tritonpy.frontends.http.control import control_app
from tritonpy.frontends.http.generate import GenerateApp
from tritonpy.frontends.native.grpc_call import GrpcCall
from tritonpy.frontends.native.http_call import HttpCall
from tritonpy.frontends.native.io_service import IoService


class NativeControlPlane:
    """Confined to the loop that starts it; owns the way of generate requests into the core."""

    name = "Control"

    def __init__(
        self,
        io: IoService,
        core: Core,
        service: V2Service,
        log: Log,
        max_input_size: int,
        render_metrics: Callable[[], bytes] | None,
    ) -> None:
        """`max_input_size` is HTTP's; `render_metrics` answers /metrics there, None leaves it out.

        None of it needs the loop yet.
        """
        self._io = io
        self._core = core
        self._service = service
        self._log = log
        self._max_input_size = max_input_size
        self._render_metrics = render_metrics
        self._control = control_app(service, log, max_input_size, render_metrics)
        self._inference: Inference | None = None

    async def start(self) -> None:
        """Answer what waits in the bridge, and what comes."""
        _, bridge = self._io.open()
        self._inference = self._core.inference()  # of generate, to which nothing is forwarded
        service, inference, log = self._service, self._inference, self._log
        size, metrics = self._max_input_size, self._render_metrics
        others = GenerateApp(service, inference, self._control, log, size, metrics)
        app = HttpApp(service, inference, others, log, size)
        bridge.open_with(EventKind.HTTP_REQUEST, partial(HttpCall, app, log))
        bridge.open_with(EventKind.GRPC_CALL, partial(GrpcCall, control_calls(service), log))
        bridge.start()

    def reload_certificates(self) -> bool:
        """Return False: the sockets are not here."""
        return False

    async def stop(self, grace_s: float) -> None:
        """Give answers `grace_s` to be written, and close what is left.

        Without any grace, requests that are still in the core are left there.
        """
        await self._io.stop(grace_s)
        if self._inference is not None and grace_s > 0:
            self._inference.close()
