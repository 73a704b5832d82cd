"""Goal: who reads that the server waits for the rest may rely on it that nothing more is taken.

Method: a log that looks, as it is written, at what the core was told before.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.python.repository.model_tree import write_model
from tests.python.server.test_server import Scene


async def test_new_requests_are_refused_before_the_end_is_announced(tmp_path: Path) -> None:
    write_model(tmp_path, "m")
    scene = Scene(tmp_path)
    told: list[str] = []
    info = scene.log.info

    def look(text: str) -> None:
        if text == "Waiting for in-flight requests to complete.":
            told.extend(scene.events)
        info(text)

    scene.log.info = look  # type: ignore[method-assign]
    stop = asyncio.Event()
    stop.set()
    await scene.server().run(stop)
    assert told == ["drain 0"]
