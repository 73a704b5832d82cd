"""Goal: models are served from S3 as from a directory, in every control mode.

Method: a real S3 server on loopback, a server over one prefix of it and, beside it, a directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.metrics_page import metrics_page
from tests.conformance.model_files import (
    add_sub_model,
    identity_config,
    write_config,
    write_onnx,
)
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.s3_server import CREDENTIALS, S3Server

_DATA: Array = np.ones((1, 2), np.float32)
_ONCE = "--cloud-attempts=1"  # who is refused knows it at once, and need not ask again


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """The store that all tests put models into, each below a prefix of its own."""
    with S3Server() as running:
        yield running


def _options(s3: S3Server, prefix: str, temporary: Path, *more: str) -> ServerOptions:
    temporary.mkdir()
    environment = {**CREDENTIALS, "TRITON_AWS_MOUNT_DIRECTORY": str(temporary)}
    return ServerOptions(["--repo", s3.url(prefix), *more], environment)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A directory of models beside the cloud's."""
    write_config(tmp_path / "local", "here", identity_config("FP32"))
    return tmp_path / "local"


def _serves(client: Client, name: str) -> None:
    result = client.infer(name, {"INPUT0": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)


def test_models_of_a_cloud_and_of_a_directory_serve_together_and_leave_nothing(
    s3: S3Server, local: Path, tmp_path: Path
) -> None:
    write_config(tmp_path / "given", "far", identity_config("FP32"))
    write_onnx(tmp_path / "given", "add_sub", add_sub_model())
    s3.upload(tmp_path / "given", "none")
    mount = tmp_path / "mount"
    with RunningServer(local, _options(s3, "none", mount)) as server:
        with connect("http", server) as client:
            _serves(client, "here")
            _serves(client, "far")
            assert client.raw.is_model_ready("add_sub")
        assert list(mount.iterdir())
        assert server.stop() == 0
    assert not list(mount.iterdir())


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_load_brings_what_is_there_now_and_only_what_changed(
    s3: S3Server, local: Path, tmp_path: Path, protocol: str
) -> None:
    write_config(tmp_path / "given", "far", identity_config("FP32"))
    write_onnx(tmp_path / "given", "add_sub", add_sub_model())
    prefix = f"explicit_{protocol}"
    mount = tmp_path / "mount"
    options = _options(s3, prefix, mount, "--model-control-mode=explicit")
    with RunningServer(local, options) as server, connect(protocol, server) as client:
        with pytest.raises(InferenceServerException) as error:
            client.raw.load_model("far")
        assert error.value.message() == (
            "failed to load 'far', failed to poll from model repository: model not found in any "
            "model repository"
        )
        s3.upload(tmp_path / "given", prefix)
        client.raw.load_model("far")
        _serves(client, "far")
        client.raw.load_model("add_sub")
        model = next(mount.glob("*/add_sub/1/model.onnx"))
        first = model.stat()
        s3.put(f"{prefix}/add_sub/2/model.onnx", model.read_bytes())
        client.raw.load_model("add_sub")
        assert client.raw.is_model_ready("add_sub", "2")
        second = model.stat()
        assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)
        client.raw.unload_model("far")
        assert not list(mount.glob("*/far/*"))
        s3.remove(f"{prefix}/far/")
        with pytest.raises(InferenceServerException):
            client.raw.load_model("far")


def test_poll_sees_what_comes_changes_and_goes(s3: S3Server, local: Path, tmp_path: Path) -> None:
    config = identity_config("FP32")
    write_config(tmp_path / "given", "far", config)
    polling = ("--model-control-mode=poll", "--repository-poll-secs=1")
    options = _options(s3, "poll", tmp_path / "mount", *polling)
    with RunningServer(local, options) as server, connect("grpc", server) as client:
        s3.upload(tmp_path / "given", "poll")
        server.wait_for("successfully loaded 'far'")
        _serves(client, "far")
        s3.put("poll/far/2/", b"")
        server.wait_for("loading: far:2")
        server.wait_for("successfully unloaded 'far' version 1")
        s3.remove("poll/far/")
        server.wait_for("successfully unloaded 'far' version 2")


def test_copies_of_a_cache_serve_the_next_server(s3: S3Server, local: Path, tmp_path: Path) -> None:
    write_onnx(tmp_path / "given", "add_sub", add_sub_model())
    s3.upload(tmp_path / "given", "cached")
    cache = tmp_path / "cache"
    kept = ("--cloud-cache-directory", str(cache))
    seen = []
    for turn in ("first", "second"):
        options = _options(s3, "cached", tmp_path / turn, *kept)
        with RunningServer(local, options) as server, connect("http", server) as client:
            assert client.raw.is_model_ready("add_sub")
        status = next(cache.glob("*/add_sub/1/model.onnx")).stat()
        seen.append((status.st_ino, status.st_mtime_ns))
    assert seen[0] == seen[1]


def test_a_bucket_that_is_not_there_is_named(s3: S3Server, local: Path, tmp_path: Path) -> None:
    url = f"s3://http://{s3.host}/nobody/models"
    with pytest.raises(AssertionError) as error:
        RunningServer(local, ServerOptions(["--repo", url], CREDENTIALS))
    assert (
        "error: creating server: Internal - Unable to create S3 filesystem client. Check account "
        "credentials. Exception: 'NoSuchBucket' Message: 'The specified bucket does not exist'"
    ) in str(error.value)


def test_copies_serve_until_the_cloud_is_back(local: Path, tmp_path: Path) -> None:
    write_config(tmp_path / "given", "far", identity_config("FP32"))
    cache = ("--cloud-cache-directory", str(tmp_path / "cache"))
    polling = ("--model-control-mode=poll", "--repository-poll-secs=1")
    with S3Server() as own:
        own.upload(tmp_path / "given", "outage")
        with RunningServer(local, _options(own, "outage", tmp_path / "first", *cache)):
            pass
        own.go_away()
        url = own.url("outage")
        again = _options(own, "outage", tmp_path / "again", *cache, *polling, _ONCE)
        with RunningServer(local, again) as server, connect("grpc", server) as client:
            unreadable = f"model repository '{url}' cannot be read: Could not connect"
            server.wait_for(unreadable)
            server.wait_for(
                f"model repository '{url}': serving the copies of 1 models in "
                f"'{tmp_path / 'cache'}', which may be old"
            )
            _serves(client, "far")
            own.come_back()
            own.put("outage/far/2/", b"")
            server.wait_for(f"model repository '{url}' can be read again")
            server.wait_for("successfully unloaded 'far' version 1")
            own.go_away()
            server.wait_for_count(unreadable, 2)
            _serves(client, "far")
            own.come_back()
            server.wait_for_count(f"model repository '{url}' can be read again", 2)
            assert server.output.count(unreadable) == 2


def test_a_cloud_without_copies_that_is_away_is_named(tmp_path: Path) -> None:
    with S3Server() as own:
        own.go_away()
        url = own.url("away")
        with pytest.raises(AssertionError) as error:
            RunningServer(tmp_path, ServerOptions(["--repo", url, _ONCE], CREDENTIALS))
        own.come_back()
    assert "Exception: 'EndpointConnectionError' Message: 'Could not connect" in str(error.value)
    assert f"(model repository '{url}')" in str(error.value)
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in str(error.value)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_name_is_looked_up_in_every_namespace_when_it_is_loaded(
    s3: S3Server, local: Path, tmp_path: Path, protocol: str
) -> None:
    write_config(tmp_path / "given", "far", identity_config("FP32"))
    prefix = f"late_{protocol}"
    arguments = ("--model-control-mode=explicit", "--model-namespacing=true")
    options = _options(s3, prefix, tmp_path / "mount", *arguments)
    with RunningServer(local, options) as server, connect(protocol, server) as client:
        with pytest.raises(InferenceServerException, match="not found in any model repository"):
            client.raw.load_model("far")
        s3.upload(tmp_path / "given", prefix)
        client.raw.load_model("far")
        _serves(client, "far")
        client.raw.load_model("here")
        _serves(client, "here")


def test_the_address_of_a_cloud_is_the_namespace_of_its_models(
    s3: S3Server, local: Path, tmp_path: Path
) -> None:
    kinds = {"spaces/one": "FP32", "spaces/two": "INT32"}
    for prefix, kind in kinds.items():
        write_config(tmp_path / prefix, "shared", identity_config(kind))
        s3.upload(tmp_path / prefix, prefix)
    arguments = ("--repo", s3.url("spaces/two"), "--model-namespacing=true")
    options = _options(s3, "spaces/one", tmp_path / "mount", *arguments)
    with RunningServer(local, options) as server:
        for protocol in ("http", "grpc"):
            with connect(protocol, server) as client:
                _serves(client, "here")
                with pytest.raises(InferenceServerException, match="There are 2 identifiers of"):
                    client.infer("shared", {"INPUT0": _DATA})
        with connect("grpc", server) as client:
            for prefix, kind in kinds.items():
                data = _DATA.astype({"FP32": np.float32, "INT32": np.int32}[kind])
                result = client.infer(f"{s3.url(prefix)}/shared", {"INPUT0": data})
                np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)
        page = metrics_page(server)
    for prefix in kinds:
        labels = f'model="shared",namespace="{s3.url(prefix)}",version="1"'
        assert f"nv_inference_request_success{{{labels}}} 1" in page
