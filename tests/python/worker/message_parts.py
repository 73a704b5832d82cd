"""What messages of a worker are made of, in Python: an independent reading, for tests."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

BOOL_VALUE, INT64_VALUE, UINT64_VALUE, DOUBLE_VALUE, STRING_VALUE = range(5)


def text(value: str) -> bytes:
    """Return a string as messages hold it."""
    return struct.pack("<I", len(value.encode())) + value.encode()


def parameters(values: Mapping[str, bool | float | str]) -> bytes:
    """Return parameters as messages hold them, their count first."""
    body = struct.pack("<I", len(values))
    for name, value in values.items():
        body += text(name)
        if isinstance(value, str):
            body += struct.pack("<B", STRING_VALUE) + text(value)
        elif isinstance(value, bool):
            body += struct.pack("<B?", BOOL_VALUE, value)
        elif isinstance(value, float):
            body += struct.pack("<Bd", DOUBLE_VALUE, value)
        else:
            kind = UINT64_VALUE if value >= 1 << 63 else INT64_VALUE
            body += struct.pack("<B" + "?qQ"[kind], kind, value)
    return body


class Reader:
    """Reads the fields of a message one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        """Read the fields of a little-endian layout."""
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def text(self) -> str:
        """Read a string."""
        (length,) = self.take("I")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def parameters(self, count: int) -> dict[str, Any]:
        """Read so many parameters."""
        values = {}
        for _ in range(count):
            name = self.text()
            (kind,) = self.take("B")
            values[name] = self.text() if kind == STRING_VALUE else self.take("?qQd"[kind])[0]
        return values

    def is_at_end(self) -> bool:
        """Whether everything was read."""
        return self.at == len(self.data)
