"""Every HTTP route but inference: a Starlette application over the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tritonpy.api import V2Service
from tritonpy.config import config_to_json
from tritonpy.core import Log
from tritonpy.errors import InvalidArgError, TritonError, UnsupportedError
from tritonpy.frontends.http import codec
from tritonpy.frontends.http.error_answer import EXITING, error_answer
from tritonpy.frontends.http.request_body import read_body
from tritonpy.frontends.http.status import NOT_FOUND, OK, STATUS_OF_CODE, UNAVAILABLE

Endpoint = Callable[[Request], Awaitable[Response]]

METRICS_TYPE: Final = "text/plain; charset=utf-8"
_JSON_TYPE: Final = "application/json"
_MODEL: Final = "/v2/models/{model}"
_VERSION: Final = "/v2/models/{model}/versions/{version}"


def control_app(
    service: V2Service, log: Log, max_input_size: int, render_metrics: Callable[[], bytes] | None
) -> ASGIApp:
    """Return the application; without `render_metrics` there is no /metrics."""
    routes = _Endpoints(service, max_input_size).routes()
    if render_metrics is not None:
        routes.append(_get("/metrics", _metrics_endpoint(render_metrics)))
    app = Starlette(
        routes=routes,
        exception_handlers={
            TritonError: _on_triton_error,
            HTTPException: _on_http_error,
            Exception: _on_bug(log),
        },
    )
    app.router.redirect_slashes = False
    return _ControlApp(app, service)


class _ControlApp:
    """Gives the routes each path as it arrived, and an answer to requests that an exit cuts off.

    Triton does no percent-decoding.
    """

    def __init__(self, app: ASGIApp, service: V2Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = scope["raw_path"].decode("latin-1")
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._service.is_exiting:
                raise
            await _error(UNAVAILABLE, EXITING)(scope, receive, send)


class _Endpoints:
    """One coroutine for each operation."""

    def __init__(self, service: V2Service, max_input_size: int) -> None:
        self._service = service
        self._max_input_size = max_input_size

    def routes(self) -> list[Route]:
        """Return the route table. The first that matches is taken."""
        return [
            _get("/v2", self.server_metadata),
            _get("/v2/health/live", self.live),
            _get("/v2/health/ready", self.ready),
            _get("/v2/models/stats", self.statistics),
            *_model_gets("", self.model_metadata),
            *_model_gets("/ready", self.model_ready),
            *_model_gets("/config", self.model_config),
            *_model_gets("/stats", self.statistics),
            _both("/v2/trace/setting", self.trace_settings),
            _both(f"{_MODEL}/trace/setting", self.trace_settings),
            _both("/v2/logging", self.log_settings),
            _post("/v2/repository/index", self.index),
            _post("/v2/repository/{repository}/index", self.index),
            _post("/v2/repository/models/{model}/load", self.load),
            _post("/v2/repository/models/{model}/unload", self.unload),
            _both("/v2/repository/models/{model}/rollout", self.rollout),
            _post("/v2/repository/{repository}/models/{model}/load", self.named_repository),
            _post("/v2/repository/{repository}/models/{model}/unload", self.named_repository),
            *self._shared_memory_routes("system"),
            *self._shared_memory_routes("cuda"),
        ]

    def _shared_memory_routes(self, kind: str) -> list[Route]:
        path = f"/v2/{kind}sharedmemory"
        status = self._shared_memory_status(kind)
        return [
            _get(f"{path}/status", status),
            _get(f"{path}/region/{{region}}/status", status),
            _post(f"{path}/region/{{region}}/register", self.shared_memory),
            _post(f"{path}/unregister", self.shared_memory),
            _post(f"{path}/region/{{region}}/unregister", self.shared_memory),
        ]

    async def server_metadata(self, _request: Request) -> Response:
        return _json(codec.server_metadata_json(self._service.server_metadata()))

    async def live(self, _request: Request) -> Response:
        return _empty(self._service.is_live())

    async def ready(self, _request: Request) -> Response:
        return _empty(self._service.is_ready())

    async def model_ready(self, request: Request) -> Response:
        await self._service.require_model_ready(*self._model_of(request))
        return _empty()

    async def model_metadata(self, request: Request) -> Response:
        metadata = await self._service.model_metadata(*self._model_of(request))
        return _json(codec.model_metadata_json(metadata))

    async def model_config(self, request: Request) -> Response:
        return _json(config_to_json(await self._service.model_config(*self._model_of(request))))

    async def statistics(self, request: Request) -> Response:
        return _json(codec.statistics_json(self._service.statistics(*self._model_of(request))))

    async def trace_settings(self, request: Request) -> Response:
        model, _ = self._model_of(request)
        if request.method == "POST":
            names = codec.parse_object(await self._body(request))
            return _json(codec.settings_json(self._service.update_trace_settings(names, model)))
        return _json(codec.settings_json(self._service.trace_settings(model)))

    async def log_settings(self, request: Request) -> Response:
        if request.method == "POST":
            names = codec.parse_object(await self._body(request))
            return _json(codec.settings_json(self._service.update_log_settings(names)))
        return _json(codec.settings_json(self._service.log_settings()))

    async def index(self, request: Request) -> Response:
        ready_only = codec.parse_index_request(await self._body(request))
        entries = await self._service.repository_index(ready_only=ready_only)
        return _json(codec.index_json(entries))

    async def load(self, request: Request) -> Response:
        parameters = codec.parse_load_parameters(await self._body(request))
        await self._service.load_model(request.path_params["model"], parameters)
        return _empty()

    async def unload(self, request: Request) -> Response:
        parameters = codec.parse_load_parameters(await self._body(request))
        await self._service.unload_model(request.path_params["model"], parameters)
        return _empty()

    async def rollout(self, request: Request) -> Response:
        model = request.path_params["model"]
        if request.method == "POST":
            document = codec.parse_object(await self._body(request))
            return _json(codec.rollout_json(self._service.update_rollout(model, document)))
        return _json(codec.rollout_json(self._service.rollout(model)))

    async def named_repository(self, _request: Request) -> Response:
        raise UnsupportedError("'repository_name' specification is not supported")

    def _shared_memory_status(self, kind: str) -> Endpoint:
        async def status(request: Request) -> Response:
            self._service.require_region_known(kind, request.path_params.get("region", ""))
            return _json([])

        return status

    async def shared_memory(self, _request: Request) -> Response:
        self._service.require_shared_memory()
        return _empty()

    def _model_of(self, request: Request) -> tuple[str, str]:
        """Return model and version of a path; what names no version makes it no path of ours."""
        model: str = request.path_params.get("model", "")
        version: str = request.path_params.get("version", "")
        is_number = version.isascii() and version.isdigit()
        if version and not is_number and not self._service.has_labels(model):
            raise HTTPException(NOT_FOUND)
        return model, version

    async def _body(self, request: Request) -> bytes:
        headers = dict(request.scope["headers"])
        return await read_body(request.scope, request.receive, headers, self._max_input_size)


def _metrics_endpoint(render: Callable[[], bytes]) -> Endpoint:
    async def metrics(_request: Request) -> Response:
        return Response(render(), media_type=METRICS_TYPE)

    return metrics


def _get(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["GET"])  # and HEAD, which Starlette adds


def _post(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["POST"])


def _both(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["GET", "POST"])


def _model_gets(suffix: str, endpoint: Endpoint) -> list[Route]:
    return [_get(f"{_MODEL}{suffix}", endpoint), _get(f"{_VERSION}{suffix}", endpoint)]


def _json(value: dict[str, Any] | list[Any]) -> Response:
    return Response(codec.dump_json(value), media_type=_JSON_TYPE)


def _empty(good: bool = True) -> Response:
    return Response(status_code=OK if good else STATUS_OF_CODE[InvalidArgError.code])


def _error(status: int, text: str) -> Response:
    headers, body = error_answer(status, text)
    response = Response(body, status)
    response.raw_headers.extend(headers)
    return response


def _on_triton_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TritonError)
    return _error(STATUS_OF_CODE[error.code], error.message)


def _on_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail)


def _on_bug(log: Log) -> Callable[[Request, Exception], Response]:
    def on_bug(request: Request, error: Exception) -> Response:
        log.error(f"{request.method} {request.url.path} failed: {type(error).__name__}: {error}")
        return _error(500, f"internal error: {type(error).__name__}")

    return on_bug
