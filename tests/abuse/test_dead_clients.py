"""Goal: clients that have gone without a word are found out, and those still there are kept.

Method: keepalive pings every tenth of a second; one client answers them and another does not.
"""

from __future__ import annotations

from pathlib import Path

from tests.abuse.footprint import Footprint, assert_serves
from tests.conformance.http2_connection import Http2Connection
from tests.conformance.infer_messages import infer_message
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

_KEEPALIVE = (
    "--grpc-keepalive-time=100",
    "--grpc-keepalive-timeout=500",
    "--grpc-http2-max-pings-without-data=0",
)


def _assert_kept(connection: Http2Connection) -> None:
    connection.wait(lambda: connection.pings >= 8)  # which is longer than a dead one is waited for
    call = connection.unary("ModelInfer", infer_message(1))
    connection.wait_for(call)
    assert call.status == 0


def test_clients_that_answer_pings_are_kept_and_others_are_not(tmp_path: Path) -> None:
    write_config(tmp_path, "identity_int32", identity_config("INT32"))
    arguments = [*_KEEPALIVE, "--grpc-keepalive-permit-without-calls=true"]
    with RunningServer(tmp_path, ServerOptions(arguments, frontend="native")) as server:
        assert_serves(server)
        before = Footprint(server)
        with Http2Connection(server.grpc_port, answers_pings=False) as dead:
            dead.wait_for_end()
            assert dead.pings == 1
            before.assert_descriptors_are_back()
        with Http2Connection(server.grpc_port) as answering:
            _assert_kept(answering)


def test_only_clients_with_calls_are_pinged_unless_it_is_permitted(tmp_path: Path) -> None:
    write_config(tmp_path, "identity_int32", identity_config("INT32"))
    with (
        RunningServer(tmp_path, ServerOptions(_KEEPALIVE, frontend="native")) as server,
        Http2Connection(server.grpc_port, answers_pings=False) as idle,
    ):
        with Http2Connection(server.grpc_port, answers_pings=False) as dead:
            dead.start("ModelStreamInfer")
            dead.wait_for_end()
            assert dead.pings == 1
        with Http2Connection(server.grpc_port) as answering:
            answering.start("ModelStreamInfer")
            _assert_kept(answering)
        call = idle.unary("ModelInfer", infer_message(1))
        idle.wait_for(call)
        assert (call.status, idle.pings) == (0, 0)
