"""Who we are to a cloud: Triton's variables or its file of credentials, as fsspec's arguments.

With TRITON_CLOUD_CREDENTIAL_PATH the entry of the longest prefix that the URL begins with counts,
"" for all, and the variables do not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tritonpy.errors import InvalidArgError
from tritonpy.repository.cloud.url import CloudUrl

CREDENTIAL_PATH: Final = "TRITON_CLOUD_CREDENTIAL_PATH"
_S3_VARIABLES: Final = {
    "key_id": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
    "region": "AWS_DEFAULT_REGION",
    "session_token": "AWS_SESSION_TOKEN",
    "profile": "AWS_PROFILE",
}
_AZURE_VARIABLES: Final = {
    "account_str": "AZURE_STORAGE_ACCOUNT",
    "account_key": "AZURE_STORAGE_KEY",
    "auth_type": "AZURE_STORAGE_AUTH_TYPE",
    "client_id": "AZURE_STORAGE_CLIENT_ID",
}


def filesystem_arguments(url: CloudUrl, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what s3fs, gcsfs or adlfs is opened with; `azure_identity` is no argument of adlfs
    but says whose token is wanted.

    InvalidArgError for a file that cannot be read or has nothing for this URL. Blocks on it.
    """
    if url.scheme == "gs":
        return _gcs_arguments(url, environment)
    if url.scheme == "as":
        return _azure_arguments(url, _entry(url, environment, _AZURE_VARIABLES))
    return _s3_arguments(url, _entry(url, environment, _S3_VARIABLES))


def _s3_arguments(url: CloudUrl, entry: Mapping[str, str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if entry.get("key_id") and entry.get("secret_key"):
        arguments |= {"key": entry["key_id"], "secret": entry["secret_key"]}
        if entry.get("session_token"):
            arguments["token"] = entry["session_token"]
    elif entry.get("profile"):
        arguments["profile"] = entry["profile"]
    if entry.get("region"):
        arguments["client_kwargs"] = {"region_name": entry["region"]}
    if url.endpoint:
        arguments["endpoint_url"] = url.endpoint
        arguments["config_kwargs"] = {"s3": {"addressing_style": "path"}}
    return arguments


def _gcs_arguments(url: CloudUrl, environment: Mapping[str, str]) -> dict[str, Any]:
    if environment.get(CREDENTIAL_PATH):
        key_file = _entry_of_file(url, Path(environment[CREDENTIAL_PATH]))
        if not isinstance(key_file, str):
            raise _malformed(Path(environment[CREDENTIAL_PATH]), url, "the path of a file")
    else:
        key_file = environment.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    if not key_file:  # gcsfs tries the attached service account, then anonymous access
        return {}
    if not Path(key_file).is_file():  # gcsfs would take its name for a token, and send it
        raise InvalidArgError(f"the key of {url.text}, '{key_file}', is not a file")
    return {"token": key_file}


def _azure_arguments(url: CloudUrl, entry: Mapping[str, str]) -> dict[str, Any]:
    account = {"account_name": entry.get("account_str") or url.account}
    auth_type = entry.get("auth_type") or "key"
    if auth_type == "key":
        key = entry.get("account_key")
        return {**account, **({"account_key": key} if key else {"anon": True})}
    if auth_type in ("managed_identity", "default"):
        identity = (auth_type, entry.get("client_id", ""))
        return {**account, "azure_identity": identity}
    raise InvalidArgError(
        f"unknown AZURE_STORAGE_AUTH_TYPE '{auth_type}': expected key, managed_identity or default"
    )


def _entry(
    url: CloudUrl, environment: Mapping[str, str], variables: Mapping[str, str]
) -> Mapping[str, str]:
    if not environment.get(CREDENTIAL_PATH):
        return {field: environment.get(name, "") for field, name in variables.items()}
    file = Path(environment[CREDENTIAL_PATH])
    entry = _entry_of_file(url, file)
    if not isinstance(entry, dict) or not all(isinstance(one, str) for one in entry.values()):
        raise _malformed(file, url, "an object of strings")
    return entry


def _entry_of_file(url: CloudUrl, file: Path) -> Any:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidArgError(f"failed to read {CREDENTIAL_PATH} '{file}': {error}") from error
    entries = content.get(url.scheme, {}) if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise _malformed(file, url, "an object by prefix")
    prefixes = [prefix for prefix in entries if url.text.startswith(prefix)]
    if not prefixes:
        raise InvalidArgError(f"Cannot match credential for path {url.text}")
    return entries[max(prefixes, key=len)]


def _malformed(file: Path, url: CloudUrl, expected: str) -> InvalidArgError:
    return InvalidArgError(f"{CREDENTIAL_PATH} '{file}' does not have {expected} for {url.text}")
