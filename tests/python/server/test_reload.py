"""Goal: one signal renews the certificates of every service, and one bad file stops none of them.

Method: front ends that only say whether they have certificates, in a server that runs.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.python.repository.model_tree import write_model
from tests.python.server.test_server import FakeFrontend, Scene
from tritonpy.errors import InvalidArgError
from tritonpy.server import Outcome


async def test_every_service_with_certificates_reads_them_again(tmp_path: Path) -> None:
    write_model(tmp_path, "m")
    scene = Scene(tmp_path)
    journal = scene.core.journal
    unreadable = InvalidArgError("failed to read 'a': gone")
    scene.frontends = [
        FakeFrontend("GRPC", journal, tls_problem=unreadable),
        FakeFrontend("HTTP", journal, has_tls=True),
        FakeFrontend("Metrics", journal),
    ]
    server, stop = scene.server(), asyncio.Event()
    server.reload_certificates()  # nobody has started yet
    start = scene.frontends[-1].start

    async def start_and_reload() -> None:
        await start()
        loop = asyncio.get_running_loop()
        loop.call_soon(server.reload_certificates)
        loop.call_soon(stop.set)

    scene.frontends[-1].start = start_and_reload  # type: ignore[method-assign]
    assert await server.run(stop) is Outcome.STOPPED
    assert scene.log.errors == ["failed to reload TLS for GRPC: failed to read 'a': gone"]
    assert [line for line in scene.log.infos if "TLS" in line] == ["reloaded TLS for HTTP"]
