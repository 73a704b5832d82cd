"""Goal: each address and each way to say who we are reach fsspec as Triton means them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.python.repository.fake_core import RecordingLog
from tritonpy.errors import InvalidArgError, TritonError
from tritonpy.options import RepositoryOptions
from tritonpy.repository.cloud.credentials import CREDENTIAL_PATH, filesystem_arguments
from tritonpy.repository.cloud.mirrors import open_mirrors
from tritonpy.repository.cloud.patience import Patience
from tritonpy.repository.cloud.remote_tree import open_remote_tree
from tritonpy.repository.cloud.url import CloudUrl, parse_cloud_url


@pytest.mark.parametrize(
    ("text", "path", "endpoint", "account"),
    [
        ("s3://bucket", "bucket", "", ""),
        ("s3://bucket/a//b/", "bucket/a/b", "", ""),
        ("s3://host:9000/bucket/a", "bucket/a", "http://host:9000", ""),
        ("s3://https://host:9000/bucket", "bucket", "https://host:9000", ""),
        ("s3://http://1.2.3.4:80/bucket/a", "bucket/a", "http://1.2.3.4:80", ""),
        ("gs://bucket/a/b", "bucket/a/b", "", ""),
        ("as://account/container/a", "container/a", "", "account"),
        ("as://account.blob.core.windows.net/container", "container", "", "account"),
    ],
)
def test_addresses(text: str, path: str, endpoint: str, account: str) -> None:
    scheme = text.partition("://")[0]
    assert parse_cloud_url(text) == CloudUrl(text, scheme, path, endpoint, account)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("s3://", "No bucket name found in path: s3://"),
        ("s3:///a", "No bucket name found in path: s3:///a"),
        ("s3://host:9000", "No bucket name found in path: s3://host:9000"),
        ("gs:///a", "No bucket name found in path: gs:///a"),
        ("as://account", "Invalid azure storage path: as://account"),
        (
            "ftp://host/a",
            "model repository 'ftp://host/a' is neither a directory nor of s3://, gs:// or as://",
        ),
    ],
)
def test_what_is_no_address(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgError) as error:
        parse_cloud_url(text)
    assert error.value.message == problem


def _arguments(text: str, environment: dict[str, str]) -> dict[str, Any]:
    arguments = filesystem_arguments(parse_cloud_url(text), environment)
    arguments.pop("config_kwargs", None)
    return arguments


def test_variables_of_each_cloud(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "r"}
    assert _arguments("s3://h:1/b", {**keys, "AWS_SESSION_TOKEN": "t"}) == {
        "key": "k",
        "secret": "s",
        "token": "t",
        "client_kwargs": {"region_name": "r"},
        "endpoint_url": "http://h:1",
    }
    assert _arguments("s3://b", {"AWS_PROFILE": "p"}) == {"profile": "p"}
    assert _arguments("s3://b", {}) == {}
    key_file = str(tmp_path / "key.json")
    Path(key_file).touch()
    assert _arguments("gs://b", {"GOOGLE_APPLICATION_CREDENTIALS": key_file}) == {"token": key_file}
    assert _arguments("gs://b", {}) == {}
    named = {"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_KEY": "k"}
    assert _arguments("as://x/c", named) == {"account_name": "a", "account_key": "k"}
    assert _arguments("as://x/c", {}) == {"account_name": "x", "anon": True}
    managed = {"AZURE_STORAGE_AUTH_TYPE": "managed_identity", "AZURE_STORAGE_CLIENT_ID": "i"}
    assert _arguments("as://x/c", managed) == {
        "account_name": "x",
        "azure_identity": ("managed_identity", "i"),
    }


def test_the_longest_prefix_of_the_file_counts_and_variables_do_not(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(
        json.dumps(
            {
                "s3": {
                    "": {"profile": "any"},
                    "s3://b": {"profile": "short"},
                    "s3://b/deep": {"key_id": "k", "secret_key": "s"},
                },
                "gs": {"gs://b": str(file), "gs://b/absent": "absent.json", "gs://b/odd": {}},
                "as": {"": {"account_str": "a", "auth_type": "odd"}},
            }
        )
    )
    environment = {CREDENTIAL_PATH: str(file), "AWS_PROFILE": "ignored"}
    assert _arguments("s3://other", environment) == {"profile": "any"}
    assert _arguments("s3://b/x", environment) == {"profile": "short"}
    assert _arguments("s3://b/deep/x", environment) == {"key": "k", "secret": "s"}
    assert _arguments("gs://b/x", environment) == {"token": str(file)}
    with pytest.raises(InvalidArgError, match=r"key of gs://b/absent, 'absent\.json', is not a"):
        _arguments("gs://b/absent", environment)
    with pytest.raises(InvalidArgError, match="does not have the path of a file for gs://b/odd"):
        _arguments("gs://b/odd", environment)
    with pytest.raises(InvalidArgError, match="Cannot match credential for path gs://other"):
        _arguments("gs://other", environment)
    with pytest.raises(InvalidArgError, match="unknown AZURE_STORAGE_AUTH_TYPE 'odd': expected"):
        _arguments("as://x/c", environment)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "failed to read TRITON_CLOUD_CREDENTIAL_PATH"),
        ("[]", "does not have an object by prefix for s3://b"),
        ('{"s3": {"": "text"}}', "does not have an object of strings for s3://b"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(content)
    with pytest.raises(InvalidArgError, match=problem):
        _arguments("s3://b", {CREDENTIAL_PATH: str(file)})


def test_a_missing_package_is_named_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme, module, extra in (
        ("s3", "s3fs", "s3"),
        ("gs", "gcsfs.core", "gcs"),
        ("as", "adlfs", "azure"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        url = f"{scheme}://bucket/models"
        with pytest.raises(TritonError) as error:
            open_remote_tree(url, {})
        assert error.value.message == (
            f"model repository '{url}' needs a package that is not installed: "
            f"pip install 'tritonpy[{extra}]'"
        )


def test_a_mount_directory_must_be_there(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    environment = {"TRITON_AWS_MOUNT_DIRECTORY": str(absent), "AWS_PROFILE": ""}
    with pytest.raises(InvalidArgError) as error:
        open_mirrors(RepositoryOptions(clouds=("s3://b",)), environment, RecordingLog())
    assert error.value.message == f"TRITON_AWS_MOUNT_DIRECTORY '{absent}' is not a directory"


def test_each_client_is_told_how_long_to_wait() -> None:
    patience = Patience(timeout_s=6, attempts=4)
    assert patience.arguments("s3")["config_kwargs"] == {
        "connect_timeout": 2,
        "read_timeout": 6,
        "retries": {"mode": "standard", "total_max_attempts": 4},
    }
    silence = patience.arguments("gs")["requests_timeout"]
    assert (silence.total, silence.sock_connect, silence.sock_read) == (None, 2, 6)
    assert patience.arguments("as") == {"connection_timeout": 2, "read_timeout": 6}


def test_credentials_of_each_form_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    entries = {
        "s3": {
            "s3://a": {"key_id": "k", "secret_key": "s", "region": "r", "session_token": "t"},
            "s3://b": {"profile": "p", "region": ""},
        },
        "as": {
            "as://a": {"account_str": "n", "account_key": "k"},
            "as://b": {"account_str": "n", "auth_type": "default", "client_id": "i"},
        },
    }
    file.write_text(json.dumps(entries))
    environment = {CREDENTIAL_PATH: str(file), "AZURE_STORAGE_KEY": "ignored"}
    assert _arguments("s3://a/m", environment) == {
        "key": "k",
        "secret": "s",
        "token": "t",
        "client_kwargs": {"region_name": "r"},
    }
    assert _arguments("s3://b/m", environment) == {"profile": "p"}
    assert _arguments("as://a/c", environment) == {"account_name": "n", "account_key": "k"}
    assert _arguments("as://b/c", environment) == {
        "account_name": "n",
        "azure_identity": ("default", "i"),
    }


def test_a_secret_is_not_in_what_is_said_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    environment = {CREDENTIAL_PATH: str(file)}
    for content in ('{"s3": {"": {"secret_key": "of-mine"}', '{"s3": {"": ["of-mine"]}}'):
        file.write_text(content)
        with pytest.raises(InvalidArgError) as error:
            _arguments("s3://a/m", environment)
        assert "of-mine" not in error.value.message
