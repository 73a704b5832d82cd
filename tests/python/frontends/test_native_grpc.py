"""Goal: calls of the bridge get what grpc.aio would give them: messages, statuses, texts.

Method: scripted calls, and the real ones, behind a bridge whose events the test makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import closing
from functools import partial

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.python.api.fakes import FakeCore, FakeRepository, log_settings, served
from tests.python.frontends.fake_bridge import End, FakeBridge, Piece, event, settle
from tritonpy.api import V2Service
from tritonpy.core import ControlEvent, EventKind, Log, LogSettings
from tritonpy.errors import NotFoundError
from tritonpy.frontends.grpc.calls import CallTable, UnaryCall
from tritonpy.frontends.grpc.servicer import control_calls
from tritonpy.frontends.native.bridge_server import BridgeServer
from tritonpy.frontends.native.grpc_call import GrpcCall, number_of
from tritonpy.protos import grpc_service_pb2 as v2

_OK = number_of(grpc.StatusCode.OK)
_V2 = b"/inference.GRPCInferenceService/"
_REFLECTION = b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.fixture
def bridge() -> Iterator[FakeBridge]:
    """A bridge that nobody serves yet."""
    with closing(FakeBridge()) as made:
        yield made


def _serve(bridge: FakeBridge, calls: CallTable) -> BridgeServer:
    log = Log()
    log.configure(LogSettings(error=False))
    server = BridgeServer(bridge)
    server.open_with(EventKind.GRPC_CALL, partial(GrpcCall, calls, log))
    server.start()
    return server


def _table(unary: UnaryCall) -> CallTable:
    return CallTable(unary={"/s/call": unary})


def _v2_calls(repository: FakeRepository) -> CallTable:
    service = V2Service(
        repository,
        FakeCore(),
        log_settings,
        server_name="server",
        server_version="",
        strict_readiness=True,
    )
    return control_calls(service)


def _call(path: bytes, *messages: bytes, call_id: int = 1) -> list[ControlEvent]:
    """Return the events of a call whose messages came with it."""
    return [
        event(EventKind.GRPC_CALL, call_id, target=path),
        *(event(EventKind.GRPC_MESSAGE, call_id, body=message) for message in messages),
        event(EventKind.HALF_CLOSE, call_id),
    ]


async def _double(message: bytes) -> bytes:
    return message * 2


async def test_unary_call_is_answered_with_one_message(bridge: FakeBridge) -> None:
    server = _serve(bridge, _table(_double))
    await bridge.happen(*_call(b"/s/call", b"ab"))
    assert bridge.answers == [Piece(1, b"abab"), End(1, _OK, b"")]
    server.close()


async def test_unary_call_need_not_be_closed_to_be_answered(bridge: FakeBridge) -> None:
    server = _serve(bridge, _table(_double))
    await bridge.happen(event(EventKind.GRPC_CALL, target=b"/s/call"))
    assert bridge.answers == []
    await bridge.happen(event(EventKind.GRPC_MESSAGE, body=b"x"))
    assert bridge.answers == [Piece(1, b"xx"), End(1, _OK, b"")]
    server.close()


async def test_error_ends_a_call_with_its_status(bridge: FakeBridge) -> None:
    async def fail(_message: bytes) -> bytes:
        raise NotFoundError("no such thing: \N{SNOWMAN}")

    server = _serve(bridge, _table(fail))
    await bridge.happen(*_call(b"/s/call", b""))
    number = number_of(grpc.StatusCode.NOT_FOUND)
    assert bridge.answers == [End(1, number, "no such thing: \N{SNOWMAN}".encode())]
    server.close()


async def test_bug_ends_a_call_as_grpc_says_it(bridge: FakeBridge) -> None:
    async def fail(_message: bytes) -> bytes:
        raise ValueError("oops")

    server = _serve(bridge, _table(fail))
    await bridge.happen(*_call(b"/s/call", b""))
    number = number_of(grpc.StatusCode.UNKNOWN)
    assert bridge.answers == [End(1, number, b"Unexpected <class 'ValueError'>: oops")]
    server.close()


async def test_method_that_nobody_knows_is_not_implemented(bridge: FakeBridge) -> None:
    server = _serve(bridge, CallTable())
    await bridge.happen(*_call(b"/s/other", b""))
    number = number_of(grpc.StatusCode.UNIMPLEMENTED)
    assert bridge.answers == [End(1, number, b"Method not found!")]
    server.close()


async def test_unary_call_without_a_message_ends(bridge: FakeBridge) -> None:
    server = _serve(bridge, _table(_double))
    await bridge.happen(*_call(b"/s/call"))
    (end,) = bridge.answers
    assert isinstance(end, End)
    assert end.status == number_of(grpc.StatusCode.INTERNAL)
    server.close()


@pytest.mark.parametrize("together", [True, False])
async def test_client_that_leaves_cancels_its_call(bridge: FakeBridge, together: bool) -> None:
    before = asyncio.all_tasks()
    cancelled: list[bytes] = []

    async def wait(message: bytes) -> bytes:
        try:
            await asyncio.get_running_loop().create_future()
            raise AssertionError("never")
        finally:
            cancelled.append(message)

    server = _serve(bridge, _table(wait))
    begin, gone = _call(b"/s/call", b"m"), event(EventKind.GONE)
    if together:
        await bridge.happen(*begin, gone)
    else:
        await bridge.happen(*begin)
        await bridge.happen(gone)
    assert bridge.answers == []
    assert asyncio.all_tasks() == before
    assert cancelled == ([] if together else [b"m"])
    server.close()


async def test_stream_goes_on_when_each_answer_was_taken(bridge: FakeBridge) -> None:
    async def echo(messages: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message

    server = _serve(bridge, CallTable(streams={"/s/stream": echo}))
    await bridge.happen(*_call(b"/s/stream", b"a", b"b"))
    assert bridge.answers == [Piece(1, b"a")]
    await bridge.happen(event(EventKind.TAKEN))
    assert bridge.answers[1:] == [Piece(1, b"b")]
    await bridge.happen(event(EventKind.TAKEN))
    assert bridge.answers[2:] == [End(1, _OK, b"")]
    server.close()


async def test_stream_that_floods_is_ended(bridge: FakeBridge) -> None:
    async def never(messages: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message  # and then waits until that was taken

    server = _serve(bridge, CallTable(streams={"/s/stream": never}))
    flood = [event(EventKind.GRPC_MESSAGE, body=b"m") for _ in range(1000)]
    await bridge.happen(event(EventKind.GRPC_CALL, target=b"/s/stream"), *flood)
    (end,) = [answer for answer in bridge.answers if isinstance(answer, End)]
    assert end.status == number_of(grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert not server._tasks
    server.close()


async def test_exit_cuts_off_what_runs_with_a_word(bridge: FakeBridge) -> None:
    async def wait(_message: bytes) -> bytes:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("never")

    server = _serve(bridge, _table(wait))
    await bridge.happen(*_call(b"/s/call", b"m"))
    await server.cut_off()
    assert bridge.answers == [
        End(
            1,
            number_of(grpc.StatusCode.UNAVAILABLE),
            b"GRPC server is shutting down and has stopped accepting new requests.",
        )
    ]
    server.close()


async def test_v2_health_and_reflection_are_one_table(bridge: FakeBridge) -> None:
    server = _serve(bridge, _v2_calls(FakeRepository(served())))
    listing = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    await bridge.happen(
        *_call(_V2 + b"ServerMetadata", b"", call_id=1),
        *_call(b"/grpc.health.v1.Health/Check", b"", call_id=2),
        *_call(_REFLECTION, listing, call_id=3),
    )
    answers = {one.call_id: one.data for one in bridge.answers if isinstance(one, Piece)}
    assert v2.ServerMetadataResponse.FromString(answers[1]).name == "server"
    serving = health_pb2.HealthCheckResponse.SERVING
    assert health_pb2.HealthCheckResponse.FromString(answers[2]).status == serving
    services = reflection_pb2.ServerReflectionResponse.FromString(answers[3])
    assert {one.name for one in services.list_services_response.service} == {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    await bridge.happen(event(EventKind.TAKEN, 3))
    assert {one.status for one in bridge.answers if isinstance(one, End)} == {_OK}
    server.close()


async def test_client_that_leaves_does_not_stop_the_load_it_asked_for(bridge: FakeBridge) -> None:
    repository = FakeRepository(served())
    server = _serve(bridge, _v2_calls(repository))
    request = v2.RepositoryModelLoadRequest(model_name="model").SerializeToString()
    await bridge.happen(*_call(_V2 + b"RepositoryModelLoad", request))
    await bridge.happen(event(EventKind.GONE))
    assert repository.calls == [("load", "model", {})]
    assert not repository.job.cancelled()
    repository.job.set_result(None)
    await settle()
    server.close()


def test_every_v2_call_but_inference_is_in_the_table() -> None:
    paths = _v2_calls(FakeRepository()).unary
    service = v2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    control = {method.name for method in service.methods} - {"ModelInfer", "ModelStreamInfer"}
    known = {path.removeprefix(_V2.decode()) for path in paths if path.startswith(_V2.decode())}
    assert known == control
