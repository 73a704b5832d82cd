"""Just enough of Google's and of Azure's object store on loopback for their clients to read models.

Each lists by prefix in pages of two and gives out objects, to whoever proves to be let in, and
keeps the paths that were asked for. `objects` is what lies there, by name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

_PAGE: Final = 2
_DATE: Final = "Sat, 01 Jan 2000 00:00:00 GMT"


class ObjectServer(ABC):
    """A context manager. It serves the container `models`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.listed_pages = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with suppress(ConnectionError):  # a client may know enough before the end
                    owner.answer(self)

            do_HEAD = do_POST = do_GET

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="objects")

    @abstractmethod
    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request."""

    def page(self, prefix: str, after: str) -> tuple[list[str], str]:
        """Return the names of one page, and the last of them where another page follows."""
        self.listed_pages += 1
        names = sorted(name for name in self.objects if name.startswith(prefix) and name > after)
        page = names[:_PAGE]
        return page, page[-1] if len(names) > _PAGE else ""

    def take_fetched(self) -> list[str]:
        """Return the names of the objects that were fetched since the last call."""
        fetched, self.fetched = sorted(self.fetched), []
        return fetched

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class GoogleServer(ObjectServer):
    """The JSON API. A service account gets a token for its signed word, and nobody else reads."""

    account = "tester@tests"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        listing, _, name = url.path.partition("/b/models/o")
        if url.path == "/token":
            _send_json(request, 200, {"access_token": self._token(request), "expires_in": 3600})
        elif request.headers.get("Authorization") != f"Bearer {self.account}":
            _send_json(request, 403, {"error": {"code": 403, "message": "not you"}})
        elif not name and listing == "/storage/v1":
            names, after = self.page(query.get("prefix", ""), query.get("pageToken", ""))
            page = {"kind": "storage#objects", "items": [self._described(one) for one in names]}
            _send_json(request, 200, page | ({"nextPageToken": after} if after else {}))
        elif (key := unquote(name[1:])) not in self.objects:
            _send_json(request, 404, {"error": {"code": 404, "message": "nothing there"}})
        elif query.get("alt") != "media":
            _send_json(request, 200, self._described(key))
        else:
            self.fetched.append(key)
            _send(request, 200, self.objects[key], {})

    def _token(self, request: BaseHTTPRequestHandler) -> str:
        form = parse_qs(request.rfile.read(int(request.headers["Content-Length"])).decode())
        claims = form["assertion"][0].split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"])

    def _described(self, name: str) -> dict[str, str]:
        content = self.objects[name]
        digest = hashlib.md5(content).hexdigest()
        return {"name": name, "bucket": "models", "size": str(len(content)), "etag": digest}


class AzureServer(ObjectServer):
    """The blobs of `account`, for requests that are signed with its key."""

    account = "tester"
    key = base64.b64encode(b"the key of the tests").decode()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query))
        name = unquote(url.path).removeprefix("/models").lstrip("/")
        if request.headers.get("Authorization") != self._signature(request):
            _send(request, 403, b"", {"x-ms-error-code": "AuthenticationFailed"})
        elif query.get("comp") == "list":
            names, after = self.page(query.get("prefix", ""), query.get("marker", ""))
            blobs = "".join(map(self._described, names))
            document = (
                '<?xml version="1.0"?><EnumerationResults ContainerName="models">'
                f"<Blobs>{blobs}</Blobs><NextMarker>{escape(after)}</NextMarker>"
                "</EnumerationResults>"
            )
            _send(request, 200, document.encode(), {"Content-Type": "application/xml"})
        elif name in self.objects:
            self._send_blob(request, name)
        else:
            _send(request, 404, b"", {"x-ms-error-code": "BlobNotFound"})

    def _send_blob(self, request: BaseHTTPRequestHandler, name: str) -> None:
        content = self.objects[name]
        headers = {"ETag": '"e"', "Last-Modified": _DATE, "x-ms-blob-type": "BlockBlob"}
        if "x-ms-range" not in request.headers:
            _send(request, 200, content, headers)
        elif not content:
            _send(request, 416, b"", {"x-ms-error-code": "InvalidRange"})
        else:
            headers["Content-Range"] = f"bytes 0-{len(content) - 1}/{len(content)}"
            _send(request, 206, content, headers)
        if request.command == "GET":
            self.fetched.append(name)

    def _described(self, name: str) -> str:
        content = self.objects[name]
        return (
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{_DATE}</Last-Modified>"
            f"<Etag>{hashlib.md5(content).hexdigest()}</Etag><BlobType>BlockBlob</BlobType>"
            f"<Content-Length>{len(content)}</Content-Length></Properties></Blob>"
        )

    def _signature(self, request: BaseHTTPRequestHandler) -> str:
        url = urlsplit(request.path)
        own = sorted((k.lower(), v) for k, v in request.headers.items() if k.startswith("x-ms-"))
        lines = [request.command, *[""] * 11, *(f"{name}:{value}" for name, value in own)]
        lines.append(f"/{self.account}{url.path}")
        lines += (f"{name.lower()}:{value}" for name, value in sorted(parse_qsl(url.query)))
        digest = hmac.digest(base64.b64decode(self.key), "\n".join(lines).encode(), "sha256")
        return f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"


def _send_json(request: BaseHTTPRequestHandler, status: int, content: object) -> None:
    _send(request, status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _send(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
