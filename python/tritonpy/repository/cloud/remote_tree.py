"""One remote repository as fsspec shows it: what lies there, and how it comes here."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from tritonpy.errors import InternalError, TritonError, UnavailableError, UnsupportedError
from tritonpy.repository.cloud.credentials import filesystem_arguments
from tritonpy.repository.cloud.patience import Patience
from tritonpy.repository.cloud.url import CloudUrl, parse_cloud_url


class _Cloud(NamedTuple):
    client: tuple[str, str]  # the module and the class of its file system
    extra: str  # of pip
    refusal: str  # what Triton says when there is no way in


_CLOUDS: Final = {
    "s3": _Cloud(
        ("s3fs", "S3FileSystem"),
        "s3",
        "Unable to create S3 filesystem client. Check account credentials.",
    ),
    # Not the one that fsspec knows by name: that first asks over gRPC what kind of bucket it is,
    # for a minute each time where only HTTP gets through.
    "gs": _Cloud(
        ("gcsfs.core", "GCSFileSystem"),
        "gcs",
        "Unable to create GCS client. Check account credentials.",
    ),
    "as": _Cloud(
        ("adlfs", "AzureBlobFileSystem"), "azure", "Unable to create Azure filesystem client"
    ),
}
# What says of an object whether it is the same: the first of these that a cloud has.
_IDENTITIES: Final = ("ETag", "etag", "generation", "LastModified", "last_modified", "mtime")
_NAME_BYTES_MAX: Final = 255  # of a directory


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One object; a path that ends with / is a marker of an empty directory."""

    path: str  # below the model
    size: int
    identity: str


Listing: TypeAlias = frozenset[RemoteFile]


class RemoteTree:
    """Thread-safe. Every method blocks on the network and raises TritonError, saying of what."""

    def __init__(self, url: CloudUrl, filesystem: Any) -> None:
        self.url = url
        self._filesystem = filesystem
        # Azure's folders are listed as directories alone, others' as objects that end with a slash.
        self._find_options = {"withdirs": True} if url.scheme == "as" else {}

    def models(self) -> dict[str, Listing]:
        """List everything, by model."""
        models: dict[str, set[RemoteFile]] = {}
        for path, file in self._find(self.url.path).items():
            name, separator, rest = path.partition("/")
            if separator and is_model_name(name):
                files = models.setdefault(name, set())
                if rest:
                    files.add(_remote_file(rest, file))
        return {name: frozenset(files) for name, files in models.items()}

    def model(self, name: str) -> Listing | None:
        """List one model; None where there is none of the name."""
        found = self._find(f"{self.url.path}/{name}")
        files = frozenset(_remote_file(path, file) for path, file in found.items() if path)
        return files if found else None

    def download(
        self, name: str, file: RemoteFile, target: Path, require_wanted: Callable[[], None]
    ) -> None:
        """Copy one file; `require_wanted` is called now and then, and may raise."""
        import fsspec.callbacks

        class Progress(fsspec.callbacks.Callback):  # type: ignore[misc]  # fsspec has no types
            def relative_update(self, inc: int = 1) -> None:
                require_wanted()

        remote = f"{self.url.path}/{name}/{file.path}"
        require_wanted()
        try:
            self._filesystem.get_file(remote, str(target), callback=Progress())
            size = target.stat().st_size
        except TritonError:
            raise
        except Exception as error:  # each cloud's client has its own
            raise UnavailableError(
                f"failed to fetch '{self.url.text}/{name}/{file.path}': {_reason_of(error)}"
            ) from error
        if size != file.size:
            raise UnavailableError(
                f"failed to fetch '{self.url.text}/{name}/{file.path}': {size} bytes came of "
                f"{file.size}"
            )

    def _find(self, root: str) -> Mapping[str, Mapping[str, Any]]:
        try:
            found = self._filesystem.find(root, detail=True, refresh=True, **self._find_options)
        except Exception as error:  # each cloud's client has its own
            raise UnavailableError(_reason_of(error)) from error
        start = len(root) + 1
        # (The memory file system's paths begin with a slash, and s3fs lists a file as its root.)
        paths = {self._path_of(path.lstrip("/"), file): file for path, file in found.items()}
        return {path[start:]: file for path, file in paths.items() if path.startswith(root + "/")}

    def _path_of(self, path: str, file: Mapping[str, Any]) -> str:
        """Return the path of an object, with the slash of a directory, which adlfs takes from it.

        It takes it from objects that are no folders to Azure, too. What an empty one is, only its
        name can tell: nobody calls a file as versions are called.
        """
        if self.url.scheme != "as":
            return path
        is_version = not file.get("size") and path.rpartition("/")[2].isdecimal()
        return f"{path}/" if is_version or file.get("type") == "directory" else path


def is_model_name(name: str) -> bool:
    """Return whether a directory of models can have it. (Objects may be called anything.)"""
    is_plain = bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name
    return is_plain and len(os.fsencode(name)) <= _NAME_BYTES_MAX


def open_remote_tree(
    text: str, environment: Mapping[str, str], patience: Patience | None = None
) -> RemoteTree:
    """Connect to a repository. InvalidArgError for what it is called, UnsupportedError where the
    package for its cloud is missing, InternalError with Triton's text where it lets nobody in.
    """
    url = parse_cloud_url(text)
    cloud = _CLOUDS[url.scheme]
    arguments = filesystem_arguments(url, environment)
    patience = patience or Patience()
    try:
        module, class_name = cloud.client
        client = getattr(import_module(module), class_name)
        for name, value in patience.arguments(url.scheme).items():
            given = arguments.get(name)
            arguments[name] = {**value, **given} if given else value
        identity = arguments.pop("azure_identity", None)
        if identity is not None:
            arguments["credential"] = _azure_credential(*identity)
        filesystem = client(skip_instance_cache=True, use_listings_cache=False, **arguments)
    except ImportError as error:
        raise UnsupportedError(
            f"model repository '{text}' needs a package that is not installed: "
            f"pip install 'tritonpy[{cloud.extra}]'"
        ) from error
    except Exception as error:  # each cloud's client has its own
        raise refused(url, cloud.refusal, error) from error
    if url.scheme == "s3":
        patience.apply(filesystem)
    return RemoteTree(url, filesystem)


def no_client(tree: RemoteTree, error: TritonError) -> InternalError:
    """Return Triton's text for a repository that cannot be read from the start."""
    cause = error.__cause__
    return refused(
        tree.url, _CLOUDS[tree.url.scheme].refusal, cause if cause is not None else error
    )


def refused(url: CloudUrl, text: str, error: BaseException) -> InternalError:
    """Return Triton's `text` with the name and the words of what went wrong, and where."""
    cause = error.__cause__ or error
    response = getattr(cause, "response", None)  # of botocore
    name = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return InternalError(
        f"{text} Exception: '{name or type(cause).__name__}' Message: '{error}' "
        f"(model repository '{url.text}')"
    )


def _azure_credential(kind: str, client_id: str) -> Any:
    from azure.identity import aio

    if kind == "managed_identity":
        return aio.ManagedIdentityCredential(client_id=client_id or None)
    return aio.DefaultAzureCredential(managed_identity_client_id=client_id or None)


def _remote_file(path: str, file: Mapping[str, Any]) -> RemoteFile:
    identity = next((str(file[key]) for key in _IDENTITIES if file.get(key)), "")
    return RemoteFile(path, int(file.get("size") or 0), identity)


def _reason_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "No space left on device"
    if isinstance(error, PermissionError):
        return f"access denied: {error}"
    return str(error) or type(error).__name__
