"""Goal: limits of the command line become values, mistakes in them Triton's complaints.

Method: command lines and what becomes of them.
"""

from __future__ import annotations

import pytest

from tritonpy.options import LimitOptions, OptionError, ParsedOptions, parse_options


def _parsed(*arguments: str) -> ParsedOptions:
    return parse_options(["--repo=/models", *arguments], {})


def _limits(*arguments: str) -> LimitOptions:
    return _parsed(*arguments).options.limits


def _complaint(*arguments: str) -> str:
    with pytest.raises(OptionError) as complaint:
        _parsed(*arguments)
    return str(complaint.value)


def test_there_are_no_limits_by_default() -> None:
    assert _limits() == LimitOptions()


def test_the_cache_has_the_size_of_either_option() -> None:
    assert _limits("--cache-config=local,size=4096").response_cache_bytes == 4096
    assert _limits("--response-cache-byte-size=4096").response_cache_bytes == 4096
    assert _limits("--response-cache-byte-size=0").response_cache_bytes == 0
    twice = _limits("--cache-config=local,size=x", "--cache-config=local,size=8192")
    assert twice.response_cache_bytes == 8192


@pytest.mark.parametrize("size", ["x", "-1", "1.5", "1k"])
def test_a_cache_without_a_size_is_refused(size: str) -> None:
    text = "Failed to initialize LocalCache: config didn't contain a valid 'size' field."
    assert _complaint(f"--cache-config=local,size={size}") == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("--cache-config=local,size=2047",),
            "Failed to initialize LocalCache: a 'size' of 2047 bytes has room for no answer, at "
            "least 2048 are needed",
        ),
        (
            ("--response-cache-byte-size=1",),
            "Failed to initialize LocalCache: a 'size' of 1 bytes has room for no answer, at least "
            "2048 are needed",
        ),
        (
            ("--cache-config=local,bytes=4096",),
            "Failed to initialize LocalCache: unknown setting 'bytes', expected 'size'",
        ),
        (
            ("--cache-config=redis,host=h", "--cache-config=redis,port=1"),
            "Error: unable to find the cache implementation 'redis': this server has 'local' and "
            "no other yet",
        ),
        (
            ("--cache-config=local,size=4096", "--cache-config=redis,host=h"),
            "Error: found multiple cache configurations, but only a single cache is currently "
            "supported. Got local, redis",
        ),
        (
            ("--cache-config=local,size=4096", "--response-cache-byte-size=4096"),
            "Error: Incompatible flags --response-cache-byte-size and --cache-config both "
            "provided. Please provide one or the other.",
        ),
    ],
)
def test_a_cache_that_cannot_be_is_refused(arguments: tuple[str, ...], text: str) -> None:
    assert _complaint(*arguments) == text


def test_cache_options_are_honoured_silently() -> None:
    assert _parsed("--cache-config=local,size=4096").warnings == ()
    assert _parsed("--response-cache-byte-size=4096").warnings == (
        "'--response-cache-byte-size' has been deprecated, use '--cache-config' instead.",
    )
