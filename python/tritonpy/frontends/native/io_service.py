"""The one native front end that the services of HTTP and gRPC share, from start to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from tritonpy.api import V2Service
from tritonpy.core import Core, NativeFrontend
from tritonpy.errors import TritonError
from tritonpy.frontends.native.bridge_server import BridgeServer
from tritonpy.options import ConnectionOptions

_Result = TypeVar("_Result")


class IoService:
    """Confined to the loop that opens it."""

    def __init__(self, options: ConnectionOptions, core: Core, service: V2Service) -> None:
        self._options = options
        self._core = core
        self._service = service
        self._frontend: NativeFrontend | None = None
        self._bridge: BridgeServer | None = None
        self._stopping: asyncio.Future[None] | None = None

    def open(self) -> tuple[NativeFrontend, BridgeServer]:
        """Return the front end and who serves its bridge; the first call makes them."""
        if self._frontend is None or self._bridge is None:
            self._frontend = self._core.native_frontend(self._options)
            self._bridge = BridgeServer(self._frontend)
            health = _Health(self._service, self._frontend)
            self._service.on_health_change(health.note_change)
            health.tell()
        return self._frontend, self._bridge

    async def stop(self, grace_s: float) -> None:
        """Stop everything, once: further calls wait for the first.

        Without any grace, requests that are still in the core are left there.
        """
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop(grace_s))
        await asyncio.shield(self._stopping)

    async def _stop(self, grace_s: float) -> None:
        frontend, bridge = self._frontend, self._bridge
        if frontend is None or bridge is None:
            return
        with ThreadPoolExecutor(1, thread_name_prefix="io-stop") as worker:

            async def blocking(call: Callable[[], _Result]) -> _Result:
                return await asyncio.get_running_loop().run_in_executor(worker, call)

            if not await blocking(partial(frontend.finish, grace_s)):
                await bridge.cut_off()
            await blocking(partial(frontend.stop, wait_for_core=grace_s > 0))
        bridge.close()


class _Health:
    """Tells the front end what the service knows, whoever changed it."""

    def __init__(self, service: V2Service, frontend: NativeFrontend) -> None:
        self._service = service
        self._frontend = frontend
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._is_due = False  # on the loop

    def note_change(self) -> None:
        """Tell what is so then. On the loop, so that the last to tell knows the last change."""
        if threading.get_ident() == self._thread:
            self.tell()
            return
        if self._is_due:  # whoever made it so has the loop look after this change, too
            return
        self._is_due = True
        try:
            self._loop.call_soon_threadsafe(self.tell)
        except RuntimeError:  # the loop has ended, and with it the front end
            return

    def tell(self) -> None:
        """Tell what is so now."""
        self._is_due = False
        try:
            ready, exiting = self._service.is_ready(), False
        except TritonError:
            ready, exiting = False, True
        self._frontend.set_models_have_checks(self._service.models_have_checks)
        self._frontend.set_health(ready=ready, exiting=exiting)
