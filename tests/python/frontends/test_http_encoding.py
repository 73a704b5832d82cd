"""Goal: content codings are chosen by weight and undone within bounds.

Method: headers and bodies, good and bad; properties over random ones.
"""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritonpy.errors import InvalidArgError, UnsupportedError
from tritonpy.frontends.http.encoding import choose_coding, decode, encode


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (b"", None),
        (b"gzip", b"gzip"),
        (b"GZIP", b"gzip"),
        (b"deflate, gzip", b"deflate"),
        (b"gzip;q=0.2,deflate;q=0.9", b"deflate"),
        (b"gzip ; q = 0.2 , deflate", b"deflate"),
        (b"identity, gzip", None),
        (b"gzip, identity", b"gzip"),
        (b"gzip;q=0", None),
        (b"*", None),
        (b"*;q=1, deflate;q=0.1", b"deflate"),
        (b"gzip;q=2, deflate;q=0.5", b"deflate"),
        (b"gzip;q=, deflate;q=nan, identity;level=1", None),
        (b",;=,gzip;;,deflate", b"deflate"),
    ],
)
def test_first_of_the_highest_weight_wins(header: bytes, coding: bytes | None) -> None:
    assert choose_coding(header) == coding


@given(st.binary(max_size=200))
def test_any_header_is_read(header: bytes) -> None:
    assert choose_coding(header) in (None, b"gzip", b"deflate")


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
@pytest.mark.parametrize("size", [0, 1, 100, 200_000])
async def test_body_comes_back(coding: bytes, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert await decode(await encode(body, coding), coding, size) == body


async def test_identity_is_left_alone() -> None:
    assert await decode(b"body", b"Identity", 1) == b"body"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_body_beyond_the_limit_is_refused_exactly_there(coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress
    assert len(await decode(pack(bytes(1000)), coding.encode(), 1000)) == 1000
    for size in (1001, 10_000_000):
        with pytest.raises(InvalidArgError, match=r"Decompressed data size exceeds .* 1000 bytes"):
            await decode(pack(bytes(size)), coding.encode(), 1000)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"junk",
        gzip.compress(b"a" * 99, mtime=0)[:-1],
        gzip.compress(b"a", mtime=0) + b"more",
    ],
)
async def test_broken_body_is_said_so(body: bytes) -> None:
    with pytest.raises(InvalidArgError, match="failed to decompress the request body"):
        await decode(body, b"gzip", 1000)


async def test_unknown_coding_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match=r"^Unsupported compression type$"):
        await decode(b"", b"br", 1)
