"""Goal: Google's and Azure's stores are mirrored as an S3 is, by whoever Triton's variables say.

Method: the real clients, and servers on loopback that know whom to let in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.python.repository.cloud.object_server import AzureServer, GoogleServer, ObjectServer
from tests.python.repository.fake_core import RecordingLog
from tritonpy.errors import TritonError
from tritonpy.repository.cloud import Mirrors
from tritonpy.repository.cloud.credentials import CREDENTIAL_PATH
from tritonpy.repository.cloud.remote_tree import open_remote_tree

_MODEL = {"config.pbtxt": b"config", "1/with space": b"weights", "1/empty": b""}


@dataclass(frozen=True)
class Cloud:
    """A store, and what its users set to be let in."""

    server: ObjectServer
    url: str
    environment: Mapping[str, str]
    entry: object  # of the file of credentials, instead
    strangers: Mapping[str, str]
    refusal: str


@pytest.fixture(scope="module")
def private_key() -> str:
    """The key that service accounts sign with."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def google(private_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Google's, where a service account and its key are wanted."""
    server = GoogleServer()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)

    def key_file(account: str) -> str:
        path = tmp_path / f"{account}.json"
        key = {"type": "service_account", "client_email": account, "private_key": private_key}
        path.write_text(json.dumps({**key, "token_uri": f"{server.address}/token"}))
        return str(path)

    ours = key_file(server.account)
    with server:
        yield Cloud(
            server,
            "gs://models/far",
            {"GOOGLE_APPLICATION_CREDENTIALS": ours},
            ours,
            {"GOOGLE_APPLICATION_CREDENTIALS": key_file("stranger@tests")},
            "Unable to create GCS client. Check account credentials. Exception: ",
        )


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Azure's, where requests are signed with the account's key."""
    server = AzureServer()
    send = AioHttpTransport.send

    async def send_here(transport: Any, request: Any, **options: Any) -> Any:
        there = f"https://{server.account}.blob.core.windows.net"
        request.url = request.url.replace(there, server.address)
        return await send(transport, request, **options)

    monkeypatch.setattr(AioHttpTransport, "send", send_here)
    account = {"AZURE_STORAGE_ACCOUNT": server.account}
    with server:
        yield Cloud(
            server,
            "as://whoever/models/far",
            {**account, "AZURE_STORAGE_KEY": server.key},
            {"account_str": server.account, "account_key": server.key},
            {**account, "AZURE_STORAGE_KEY": "b2YtbWluZQ=="},
            "Unable to create Azure filesystem client Exception: ",
        )


@pytest.fixture(params=["google", "azure"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """Each of the clouds, with one model."""
    cloud: Cloud = request.getfixturevalue(request.param)
    for path, content in _MODEL.items():
        cloud.server.objects[f"far/m/{path}"] = content
    cloud.server.objects["far/m/2/"] = b""
    cloud.server.objects["farther/m/1/weights"] = b"of somebody else"
    return cloud


def _mirrored(cloud: Cloud, environment: Mapping[str, str], cache: Path | None = None) -> Mirrors:
    mirrors = Mirrors(RecordingLog(), cache=cache, look_before_fetch=True)
    mirrors.add(open_remote_tree(cloud.url, environment))
    return mirrors


def test_a_model_comes_whole_and_what_is_unchanged_comes_once(cloud: Cloud, tmp_path: Path) -> None:
    mirrors = _mirrored(cloud, cloud.environment, tmp_path / "cache")
    assert cloud.server.listed_pages > 1
    mirrors.fetch("m")
    (directory,) = mirrors.directories
    model = directory / "m"
    assert {path: (model / path).read_bytes() for path in _MODEL} == _MODEL
    assert sorted(path.name for path in model.iterdir()) == ["1", "2", "config.pbtxt"]
    assert list((model / "2").iterdir()) == []
    assert set(cloud.server.take_fetched()) >= {"far/m/config.pbtxt", "far/m/1/with space"}
    cloud.server.objects["far/m/config.pbtxt"] = b"edited"
    mirrors.fetch("m")
    mirrors.fetch("m")
    assert cloud.server.take_fetched() == ["far/m/config.pbtxt"]
    assert (model / "config.pbtxt").read_bytes() == b"edited"
    mirrors.close()
    after = _mirrored(cloud, cloud.environment, tmp_path / "cache")
    after.fetch("m")
    assert cloud.server.take_fetched() == []
    after.close()


def test_a_file_of_credentials_says_who_we_are(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({cloud.url.partition(":")[0]: {cloud.url: cloud.entry}}))
    mirrors = _mirrored(cloud, {**cloud.strangers, CREDENTIAL_PATH: str(file)})
    mirrors.fetch("m")
    mirrors.close()


def test_a_stranger_is_told_so_without_secrets(cloud: Cloud) -> None:
    with pytest.raises(TritonError) as error:
        _mirrored(cloud, cloud.strangers)
    assert error.value.message.startswith(cloud.refusal)
    assert error.value.message.endswith(f"(model repository '{cloud.url}')")
    assert not [text for text in cloud.strangers.values() if text in error.value.message]
    assert "PRIVATE KEY" not in error.value.message


def test_an_object_that_goes_away_is_no_model(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = _mirrored(cloud, cloud.environment)
    listed = cloud.server.page

    def page(prefix: str, after: str) -> tuple[list[str], str]:
        names, follows = listed(prefix, after)
        if not follows:
            cloud.server.objects.pop("far/m/1/with space", None)
        return names, follows

    monkeypatch.setattr(cloud.server, "page", page)
    with pytest.raises(TritonError) as error:
        mirrors.fetch("m")
    assert error.value.message.startswith(f"failed to fetch '{cloud.url}/m/1/with space': ")
    (directory,) = mirrors.directories
    assert list((directory / "m").iterdir()) == []
    mirrors.close()
