"""An S3 on this machine: moto behind a free port, a bucket to put models into, and what goes wrong.

It sees every request, may hold it or act before it is answered, cuts answers off, and goes away and
comes back at the same port.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

# What moto takes for anybody; the server under test gets them as Triton's users give them.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class _SilentHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # werkzeug's name
        """Say nothing."""


class S3Server:
    """A context manager. `bucket` is there from the start."""

    bucket = "models"

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._requests: list[str] = []
        self.on_get: Callable[[str], None] = lambda key: None  # before an object is sent
        self.cuts = 0  # how many answers with objects still end in their middle
        # Keeps the port ours while no server listens there.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._place.getsockname()[1]}"
        self.come_back()
        self._client = boto3.client(
            "s3",
            endpoint_url=f"http://{self.host}",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        )
        self._client.create_bucket(Bucket=self.bucket)

    def come_back(self) -> None:
        """Listen, with every object that was there."""
        host, port = self._place.getsockname()
        self._server = make_server(
            host, port, self._answer, threaded=True, request_handler=_SilentHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="s3", daemon=True)
        self._thread.start()

    def go_away(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, prefix: str) -> str:
        """Return what a server is told to serve from."""
        return f"s3://{self.host}/{self.bucket}/{prefix}"

    def take_requests(self, method: str = "GET /models/") -> list[str]:
        """Return the requests that began so since the last call: objects, if nothing is said."""
        with self._lock:
            taken = [one for one in self._requests if one.startswith(method)]
            self._requests.clear()
        return taken

    def put(self, key: str, content: bytes) -> None:
        """Write one object."""
        self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def remove(self, prefix: str) -> None:
        """Remove all objects below a prefix."""
        found = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        for one in found.get("Contents", ()):
            self._client.delete_object(Bucket=self.bucket, Key=one["Key"])

    def upload(self, directory: Path, prefix: str) -> None:
        """Write a directory of models; an empty directory becomes a marker, as consoles do."""
        for path in sorted(directory.rglob("*")):
            key = f"{prefix}/{path.relative_to(directory)}"
            if path.is_file():
                self.put(key, path.read_bytes())
            elif not any(path.iterdir()):
                self.put(f"{key}/", b"")

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        # WSGI decodes paths as Latin-1, whatever they are.
        path = environ["PATH_INFO"].encode("latin-1").decode()
        query = environ.get("QUERY_STRING", "")
        target = f"{path}?{query}" if query else path
        with self._lock:
            self._requests.append(f"{environ['REQUEST_METHOD']} {target}")
        key = path.removeprefix(f"/{self.bucket}/")
        if environ["REQUEST_METHOD"] != "GET" or key in ("", path):
            return self._moto(environ, start_response)
        self.on_get(key)
        content: Iterable[bytes] = self._moto(environ, start_response)
        with self._lock:
            is_cut, self.cuts = self.cuts > 0, max(0, self.cuts - 1)
        if not is_cut:
            return content
        whole = b"".join(content)
        return [whole[: len(whole) // 2]]

    def __enter__(self) -> S3Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.go_away()
        self._place.close()
