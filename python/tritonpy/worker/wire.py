"""Kinds of messages, their fixed parts, and strings: what both directions share."""

from __future__ import annotations

from struct import Struct
from typing import Final

EXECUTE: Final = 1
EXECUTED: Final = 2
RESPONSE: Final = 3
INFER: Final = 4
CANCEL: Final = 5
ANSWER: Final = 6
READ: Final = 7

ALL_OUTPUTS: Final = 0xFFFF
FINAL: Final = 1

# What becomes of a request when its batch has been executed.
ANSWERED: Final = 0
OPEN: Final = 1
RESCHEDULED: Final = 2

# What every message begins with: its body's length, its kind, zero.
HEADER: Final = Struct("<IHH")
# Tensors do not travel in messages, only their places, ids and parameters.
MAX_BODY: Final = 64 << 20
LENGTH: Final = Struct("<I")
OUTPUT_INDEX: Final = Struct("<H")
CALL: Final = Struct("<Q")
READ_CHARGE: Final = Struct("<QQ")
# A tensor of a call, after its name: type, rank, zero, flags, offset, size.
TENSOR: Final = Struct("<BBHIQQ")
MAX_DIMS: Final = 255
# The dimensions of a shape, by their count.
DIMS: Final = tuple(Struct(f"<{count}q") for count in range(MAX_DIMS + 1))


def message(kind: int, body: bytes) -> bytes:
    """Return a whole message."""
    return HEADER.pack(len(body), kind, 0) + body


def string(text: str) -> bytes:
    """Return `text` as messages hold it."""
    data = text.encode("utf-8", "surrogateescape")
    return LENGTH.pack(len(data)) + data


def read_string(buffer: bytes | bytearray, at: int) -> tuple[str, int]:
    """Return the text at `at`, and where it ends. ValueError if it goes beyond the buffer."""
    (length,) = LENGTH.unpack_from(buffer, at)
    at += 4
    end = at + length
    if end > len(buffer):
        raise ValueError(f"a string of {length} bytes ends outside the message")
    return buffer[at:end].decode("utf-8", "surrogateescape"), end
