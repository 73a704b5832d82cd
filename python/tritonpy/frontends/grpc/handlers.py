"""Calls without a transport as what grpc.aio serves."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, TypeAlias

import grpc

from tritonpy.errors import TritonError
from tritonpy.frontends.grpc.calls import CallTable, StreamCall, UnaryCall, path_of
from tritonpy.frontends.grpc.infer import Context, InferCalls, abort
from tritonpy.frontends.grpc.servicer import SERVICE_NAME

Handler: TypeAlias = Any  # grpc.RpcMethodHandler, whose parameters differ between its stubs


class CallHandlers(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not at run time
    """Every call of the port. Confined to the loop. Messages stay bytes here."""

    def __init__(self, table: CallTable, infer: InferCalls) -> None:
        self._handlers: dict[str, Handler] = {
            path_of(SERVICE_NAME, "ModelInfer"): grpc.unary_unary_rpc_method_handler(
                infer.model_infer
            ),
            path_of(SERVICE_NAME, "ModelStreamInfer"): grpc.stream_stream_rpc_method_handler(
                infer.model_stream_infer
            ),
            **{path: _unary_handler(call) for path, call in table.unary.items()},
            **{path: _stream_handler(call) for path, call in table.streams.items()},
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Return who answers a call; None for one that nobody knows."""
        return self._handlers.get(handler_call_details.method)


def _unary_handler(call: UnaryCall) -> Handler:
    async def handle(message: bytes, context: Context) -> bytes:
        try:
            return await call(message)
        except TritonError as error:
            return await abort(context, error)

    return grpc.unary_unary_rpc_method_handler(handle)


def _stream_handler(call: StreamCall) -> Handler:
    async def handle(messages: AsyncIterable[bytes], context: Context) -> AsyncIterator[bytes]:
        try:
            async for answer in call(messages):
                yield answer
        except TritonError as error:
            await abort(context, error)

    return grpc.stream_stream_rpc_method_handler(handle)
