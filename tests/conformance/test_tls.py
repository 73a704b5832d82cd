"""Goal: both ports can speak TLS, to those who should be spoken to and to nobody else.

Method: certificates made on the spot, by an authority that clients trust and by another one;
Triton's own clients, curl, and bare TLS sockets.
"""

from __future__ import annotations

import signal
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from os import kill
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
from tritonclient.utils import InferenceServerException

from tests.conformance.certificates import Authority, CertificateFiles, tls_arguments
from tests.conformance.http2_connection import Http2Connection
from tests.conformance.http_connection import ConnectionEnded, HttpConnection, request_bytes
from tests.conformance.infer_messages import infer_message, large_infer_message, number_of
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

_LIVE = request_bytes("GET", "/v2/health/live")
_METADATA = request_bytes("GET", "/v2")
_HANDSHAKES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Secure:
    """A server that speaks TLS on both ports, and who signed its certificate."""

    server: RunningServer
    authority: Authority
    client: CertificateFiles


def _repository(directory: Path) -> Path:
    repository = directory / "models"
    write_config(repository, "identity_int32", identity_config("INT32"))
    write_config(repository, "identity_uint8", identity_config("UINT8"))
    return repository


@pytest.fixture(scope="module", params=["server", "mutual"])
def secure(
    request: pytest.FixtureRequest, frontend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secure]:
    """With certificates of the server alone, and of its clients too."""
    directory = tmp_path_factory.mktemp("tls")
    authority = Authority(directory / "pem")
    files, client = authority.issue("server"), authority.issue("client")
    root = authority.root if request.param == "mutual" else None
    arguments = [*tls_arguments("http", files, root), *tls_arguments("grpc", files, root)]
    options = ServerOptions(arguments, frontend=frontend)
    with RunningServer(_repository(directory), options) as server:
        yield Secure(server, authority, client)


def _http_client(secure: Secure) -> Any:
    context = secure.authority.client_context(certificate=secure.client)
    return httpclient.InferenceServerClient(
        secure.server.http_address, ssl=True, ssl_context_factory=lambda: context
    )


def _grpc_files(secure: Secure) -> dict[str, Any]:
    return {
        "ssl": True,
        "root_certificates": str(secure.authority.root),
        "private_key": str(secure.client.key),
        "certificate_chain": str(secure.client.certificate),
    }


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_triton_clients_speak_tls(secure: Secure, size: int) -> None:
    sent = (np.arange(size) % 251).astype(np.uint8).reshape(1, size)
    for module, client in (
        (httpclient, _http_client(secure)),
        (
            grpcclient,
            grpcclient.InferenceServerClient(secure.server.grpc_address, **_grpc_files(secure)),
        ),
    ):
        with client:
            tensor = module.InferInput("INPUT0", list(sent.shape), "UINT8")
            tensor.set_data_from_numpy(sent)
            for _ in range(3):
                result = client.infer("identity_uint8", [tensor])
                np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), sent)
            assert client.is_model_ready("identity_uint8")
            client.get_model_metadata("identity_uint8")


async def test_asyncio_client_speaks_tls(secure: Secure) -> None:
    address = secure.server.grpc_address
    async with grpcaio.InferenceServerClient(address, **_grpc_files(secure)) as client:
        assert await client.is_server_ready()


def test_curl_speaks_tls(secure: Secure, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b'{"inputs": [{"name": "INPUT0", "datatype": "UINT8", "shape": [1, 2],')
    with body.open("ab") as file:
        file.write(b'"data": [1, 2]}]}'.ljust(3_000_000))  # so much that curl asks first
    command = ["curl", "--silent", "--show-error", "--fail", "--http1.1", "--noproxy", "*"]
    command += ["--cacert", str(secure.authority.root), "--cert", str(secure.client.certificate)]
    command += ["--key", str(secure.client.key), "--data-binary", f"@{body}"]
    command += [f"https://localhost:{secure.server.http_port}/v2/models/identity_uint8/infer"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert '"data":[1,2]' in ended.stdout


def test_pipelined_requests_pass_through_tls(secure: Secure) -> None:
    context = secure.authority.client_context("http/1.1", certificate=secure.client)
    with HttpConnection(secure.server.http_port, context) as connection:
        assert connection.selected_protocol == "http/1.1"
        connection.send(_LIVE * 200 + _METADATA)
        for _ in range(200):
            assert connection.answer().status == 200
        assert connection.answer().json["name"] == "triton"


def test_calls_share_a_connection_through_tls(secure: Secure) -> None:
    context = secure.authority.client_context("h2", certificate=secure.client)
    with Http2Connection(secure.server.grpc_port, tls=context) as connection:
        calls = [connection.unary("ModelInfer", infer_message(number)) for number in range(90)]
        connection.wait_for(*calls)
        assert [number_of(call.messages[0]) for call in calls] == list(range(90))
        large = connection.unary("ModelInfer", large_infer_message(3 << 20))
        connection.wait_for(large)
        assert len(large.data) > 3 << 20


def _is_served(secure: Secure, port: int, context: ssl.SSLContext) -> bool:
    """Whether a TLS client gets an answer: of HTTP, or the first frame of HTTP/2."""
    try:
        if port == secure.server.http_port:
            with HttpConnection(port, context) as connection:
                connection.send(_LIVE)
                return connection.answer().status == 200
        with Http2Connection(port, tls=context) as frames:
            call = frames.unary("ServerLive", b"")
            frames.wait_for(call)
            return call.status == 0
    except (ConnectionEnded, ConnectionError, ssl.SSLError):
        return False


def test_other_protocol_than_that_of_the_port_is_refused(frontend: str, secure: Secure) -> None:
    """uvicorn cannot know what its clients offered, and speaks HTTP/1.1 with all of them."""
    contexts = {
        name: secure.authority.client_context(name, certificate=secure.client)
        for name in ("http/1.1", "h2", "spdy/3")
    }
    http, grpc = secure.server.http_port, secure.server.grpc_port
    others = frontend == "python"
    assert [_is_served(secure, http, contexts[name]) for name in contexts] == [True, others, others]
    assert [_is_served(secure, grpc, contexts[name]) for name in contexts] == [False, True, False]
    both = secure.authority.client_context("h2", "http/1.1", certificate=secure.client)
    assert _is_served(secure, http, both)
    assert _is_served(secure, grpc, both)


def test_plain_text_is_not_answered(secure: Secure) -> None:
    for port in (secure.server.http_port, secure.server.grpc_port):
        for sent in (_LIVE, b"\0" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"):
            with HttpConnection(port) as connection:
                connection.send(sent)
                assert b"200" not in connection.rest()
    assert _is_served(secure, secure.server.http_port, _trusted(secure, "http/1.1"))


def _trusted(secure: Secure, protocol: str) -> ssl.SSLContext:
    return secure.authority.client_context(protocol, certificate=secure.client)


@pytest.fixture(scope="module")
def mutual(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """A server that knows its clients by their certificates."""
    directory = tmp_path_factory.mktemp("mutual")
    authority = Authority(directory / "pem")
    files, client = authority.issue("server"), authority.issue("client")
    arguments = [
        *tls_arguments("http", files, authority.root),
        *tls_arguments("grpc", files, authority.root),
    ]
    options = ServerOptions(arguments, frontend=frontend)
    with RunningServer(_repository(directory), options) as server:
        yield Secure(server, authority, client)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_client_without_a_certificate_that_is_trusted_is_refused(
    mutual: Secure, tmp_path: Path, protocol: str
) -> None:
    port = mutual.server.http_port if protocol == "http/1.1" else mutual.server.grpc_port
    stranger = Authority(tmp_path).issue("stranger")
    for certificate in (None, stranger):
        context = mutual.authority.client_context(protocol, certificate=certificate)
        assert not _is_served(mutual, port, context)
    assert _is_served(mutual, port, _trusted(mutual, protocol))


def test_grpc_client_without_a_certificate_is_told_so(mutual: Secure) -> None:
    root = str(mutual.authority.root)
    with grpcclient.InferenceServerClient(
        mutual.server.grpc_address, ssl=True, root_certificates=root
    ) as client:
        with pytest.raises(InferenceServerException) as error:
            client.is_server_live()
        assert error.value.status() == "StatusCode.UNAVAILABLE"


def test_sighup_reads_certificates_again(frontend: str, tmp_path: Path) -> None:
    old, new = Authority(tmp_path / "pem"), Authority(tmp_path / "other")
    files = old.issue("server")
    arguments = [*tls_arguments("http", files), *tls_arguments("grpc", files)]
    options = ServerOptions(arguments, frontend=frontend)
    with RunningServer(_repository(tmp_path), options) as server:
        secure = Secure(server, old, files)
        before = HttpConnection(server.http_port, old.client_context())
        with before:
            fresh = new.issue("server")
            files.certificate.write_bytes(fresh.certificate.read_bytes())
            files.key.write_bytes(fresh.key.read_bytes())
            kill(server.pid, signal.SIGHUP)
            for port, name in ((server.http_port, "http/1.1"), (server.grpc_port, "h2")):
                _wait_until_served(secure, port, new.client_context(name))
                assert not _is_served(secure, port, old.client_context(name))
            before.send(_LIVE)
            assert before.answer().status == 200


def test_certificate_that_is_none_is_not_taken_on_sighup(frontend: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pem")
    files = authority.issue("server")
    arguments = [*tls_arguments("http", files), *tls_arguments("grpc", files)]
    options = ServerOptions(arguments, frontend=frontend)
    with RunningServer(_repository(tmp_path), options) as server:
        secure = Secure(server, authority, files)
        files.certificate.write_text("no certificate")
        kill(server.pid, signal.SIGHUP)
        server.wait_for(f"failed to set up TLS with '{files.certificate}'")
        assert _is_served(secure, server.http_port, authority.client_context("http/1.1"))
        assert _is_served(secure, server.grpc_port, authority.client_context("h2"))


def _wait_until_served(secure: Secure, port: int, context: ssl.SSLContext) -> None:
    for _ in range(_HANDSHAKES_MAX):
        if _is_served(secure, port, context):
            return
    raise AssertionError("the server does not use its new certificate")
