"""What a request's connection does for the application, whoever listens.

Every server here puts it into the scope's state, from where the application takes it.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from starlette.types import Scope

STATE_KEY: Final = "tritonpy.connection"


class RequestConnection(Protocol):
    """Confined to the loop."""

    def set_running(self, task: asyncio.Task[None] | None) -> None:
        """Name the task to cancel when the client goes away."""

    def cork(self) -> None:
        """Keep what is written until uncork."""

    def uncork(self) -> None:
        """Write what was kept, in one go."""

    def chunks_of(self, scope: Scope) -> int:
        """Return the chunks of a request's body so far, the empty last one among them."""


def connection_of(scope: Scope) -> RequestConnection | None:
    """Return the connection that a request came by; None under another server."""
    state = scope.get("state")
    return None if state is None else state.get(STATE_KEY)


def chunk_count(scope: Scope) -> int:
    """Return the chunks of a request's body so far, the empty last one among them."""
    connection = connection_of(scope)
    return 0 if connection is None else connection.chunks_of(scope)
