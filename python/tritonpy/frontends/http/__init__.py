"""V2 over HTTP, and metrics on a port of their own, under uvicorn."""

from tritonpy.frontends.http.frontend import HttpFrontend, MetricsFrontend
from tritonpy.frontends.http.listener import HttpListener

__all__ = ["HttpFrontend", "HttpListener", "MetricsFrontend"]
