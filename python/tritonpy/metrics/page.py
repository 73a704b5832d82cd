"""The metrics page, and the small application that serves it on a port of its own."""

from __future__ import annotations

from typing import Final

from starlette.types import Receive, Scope, Send

from tritonpy.metrics.cpu_metrics import CpuMetrics
from tritonpy.metrics.exposition import render
from tritonpy.metrics.model_metrics import ModelMetrics

_PATH: Final = b"/metrics"
_TYPE: Final = (b"content-type", b"text/plain; charset=utf-8")
_OK, _METHOD_NOT_ALLOWED = 200, 405


class MetricsPage:
    """Every metric of the server as one text."""

    def __init__(self, models: ModelMetrics, cpu: CpuMetrics) -> None:
        self._models = models
        self._cpu = cpu

    def render(self) -> bytes:
        """Return the page as things are now."""
        return render((*self._models.families(), *self._cpu.families()))


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
