"""What the commands say to a running server: calls of its HTTP control API."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from http.client import HTTPException
from typing import Any, Final, cast
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

_DEFAULT_URL: Final = "http://127.0.0.1:8000"


class CallFailed(Exception):
    """The server was not reached or refused; the text is for the operator."""


class ServerClient:
    """One server. Every call blocks until it is answered, loads included. Raises CallFailed."""

    def __init__(self, url: str) -> None:
        self._url = (url if "://" in url else f"http://{url}").rstrip("/")
        # No proxy: what is controlled is near, and its name may mean nothing to one.
        self._open = cast(Callable[[Request], Any], build_opener(ProxyHandler({})).open)

    def index(self, *, ready_only: bool) -> list[dict[str, str]]:
        """Return name, version, state and reason of each model version; empty ones are absent."""
        answer = self._call("repository/index", {"ready": ready_only})
        return cast(list[dict[str, str]], answer)

    def load(self, model: str) -> None:
        """Load a model, or bring it up to date."""
        self._call(f"repository/models/{quote(model, safe='')}/load", {})

    def unload(self, model: str, *, with_dependents: bool) -> None:
        """Unload a model, and with an ensemble the models of its steps if asked to."""
        parameters = {"unload_dependents": with_dependents}
        self._call(f"repository/models/{quote(model, safe='')}/unload", {"parameters": parameters})

    def config(self, model: str) -> dict[str, Any]:
        """Return the config that the newest version of a model serves with."""
        return cast(dict[str, Any], self._call(f"models/{quote(model, safe='')}/config"))

    def _call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST `body`, or GET where there is none; return what the answer has, None for nothing."""
        data = None if body is None else json.dumps(body).encode()
        try:
            request = Request(f"{self._url}/v2/{path}", data, {"Content-Type": "application/json"})
            with self._open(request) as answer:
                text = answer.read()
            return json.loads(text) if text else None
        except HTTPError as error:
            raise CallFailed(_reason(error)) from error
        except (OSError, HTTPException, ValueError) as error:
            raise CallFailed(f"no answer from {self._url}: {error}") from error


def _reason(error: HTTPError) -> str:
    """Return what the server says, or its status where it says nothing of its own."""
    try:
        return str(json.loads(error.read())["error"])
    except (OSError, HTTPException, ValueError, TypeError, KeyError):
        return f"HTTP status {error.code} {error.reason}"


def call_for_each(
    command: str, models: Sequence[str], call: Callable[[str], None], done: str
) -> int:
    """Call the server for each model in turn and say what became of it; return 1 where one failed.

    `command` and `done` are what errors and successes begin with.
    """
    status = 0
    for model in models:
        try:
            call(model)
        except CallFailed as error:
            print(f"tritonpy {command}: {model}: {error}", file=sys.stderr)
            status = 1
        else:
            print(f"{done} {model}")
    return status


def add_url(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which server is meant."""
    parser.add_argument(
        "--url", default=_DEFAULT_URL, help="HTTP address of the server (%(default)s)"
    )
