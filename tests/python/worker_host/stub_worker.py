"""A worker whose behaviour the test writes: it runs the model file as a script of the protocol.

The script sees `start` (the first message), `say(message)`, `hear()`, `options` (descriptors by
name) and `answer_of(message)`, which says a message with a number and returns its answer.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from typing import Any


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def main() -> None:
    """Hear the start message, then do as the model file says."""
    words = sys.argv[1:]
    options = {
        key.removeprefix("--"): int(value)
        for key, value in zip(words[::2], words[1::2], strict=True)
    }
    connection = socket.socket(fileno=options["control-fd"])
    last_number = 0

    def say(message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        connection.sendall(struct.pack("<I", len(body)) + body)

    def hear() -> Any:
        (length,) = struct.unpack("<I", _read(connection, 4))
        return json.loads(_read(connection, length))

    def answer_of(message: dict[str, Any]) -> Any:
        nonlocal last_number
        last_number += 1
        say({**message, "id": last_number})
        return hear()

    start = hear()
    with open(start["model_path"]) as file:
        script = compile(file.read(), start["model_path"], "exec")
    scope = {"start": start, "say": say, "hear": hear, "options": options, "answer_of": answer_of}
    exec(script, {**scope, "connection": connection})


if __name__ == "__main__":
    main()
