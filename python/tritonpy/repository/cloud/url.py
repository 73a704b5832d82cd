"""The addresses of cloud repositories, in Triton's forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tritonpy.errors import InvalidArgError

_CUSTOM_S3: Final = re.compile(r"(https?://)?([^/:]+:[0-9]+)(?:/|$)(.*)")


@dataclass(frozen=True, slots=True)
class CloudUrl:
    """One repository: `path` is what fsspec wants, bucket or container first."""

    text: str  # as it was given, which credentials are chosen by
    scheme: str  # s3, gs or as
    path: str
    endpoint: str = ""  # of an S3 that is not Amazon's
    account: str = ""  # of Azure


def parse_cloud_url(text: str) -> CloudUrl:
    """Read `s3://[[http[s]://]host:port/]bucket/path`, `gs://bucket/path` or
    `as://account/container/path`. InvalidArgError for anything else.
    """
    scheme, _, rest = text.partition("://")
    if scheme == "s3":
        custom = _CUSTOM_S3.fullmatch(rest)
        if custom is None:
            return CloudUrl(text, scheme, _path(text, rest))
        protocol, host, path = custom.groups()
        return CloudUrl(text, scheme, _path(text, path), endpoint=(protocol or "http://") + host)
    if scheme == "gs":
        return CloudUrl(text, scheme, _path(text, rest))
    if scheme == "as":
        host, _, path = rest.partition("/")
        if not host or not path.strip("/"):
            raise InvalidArgError(f"Invalid azure storage path: {text}")
        account = host.partition(".")[0]  # a full host name begins with the account
        return CloudUrl(text, scheme, _path(text, path), account=account)
    raise InvalidArgError(
        f"model repository '{text}' is neither a directory nor of s3://, gs:// or as://"
    )


def _path(text: str, given: str) -> str:
    parts = [part for part in given.split("/") if part]
    if not parts or given.startswith("/"):
        raise InvalidArgError(f"No bucket name found in path: {text}")
    return "/".join(parts)
