"""The metrics page, and the small application that serves it on a port of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from starlette.types import Receive, Scope, Send

from tritonpy.metrics.cpu_metrics import CpuMetrics
from tritonpy.metrics.exposition import Family, render
from tritonpy.metrics.model_metrics import ModelMetrics

_PATH: Final = b"/metrics"
_TYPE: Final = (b"content-type", b"text/plain; charset=utf-8")
_OK, _METHOD_NOT_ALLOWED = 200, 405


class MetricsPage:
    """Every metric of the server as one text."""

    def __init__(
        self,
        models: ModelMetrics,
        cpu: CpuMetrics,
        custom: Callable[[], Iterable[Family]] = tuple,
        *more: Callable[[], Iterable[Family]],
    ) -> None:
        """`custom` returns the families that models have made, `more` others of the server."""
        self._more = more
        self._models = models
        self._cpu = cpu
        self._custom = custom

    def render(self) -> bytes:
        """Return the page as things are now. No model takes a name that the server uses."""
        more = (family for families in self._more for family in families())
        ours = (*self._models.families(), *self._cpu.families(), *more)
        names = {family.name for family in ours}
        custom = (family for family in self._custom() if family.name not in names)
        return render((*ours, *custom))


class MetricsApp:
    """The metrics port: the page at /metrics, nothing at any other path, nothing but GET."""

    def __init__(self, page: MetricsPage) -> None:
        self._page = page

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        status, headers, body = _OK, [], b""
        if scope["method"] not in ("GET", "HEAD"):
            status = _METHOD_NOT_ALLOWED
        elif scope["raw_path"] == _PATH:
            headers, body = [_TYPE], self._page.render()
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
