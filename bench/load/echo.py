"""`python -m bench.load.echo PORT`: the least that uvicorn can do: send back what it was sent."""

from __future__ import annotations

import socket
import sys

import uvicorn
import uvloop
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope


async def echo(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer one request with its own body."""
    if scope["type"] != "http":
        return
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        assert message["type"] == "http.request"
        body += message["body"]
        more = message["more_body"]
    headers = [(b"content-length", str(len(body)).encode())]
    await send(
        {"type": "http.response.start", "status": 200, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


if __name__ == "__main__":
    config = uvicorn.Config(echo, lifespan="off", access_log=False, log_level="critical")
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        print("ready", flush=True)  # from here on connections are kept for the server
        uvloop.run(uvicorn.Server(config).serve(sockets=[listening]))
