"""Goal: limits of the command line become values, mistakes in them Triton's complaints.

Method: command lines and what becomes of them.
"""

from __future__ import annotations

import pytest

from tritonpy.options import (
    HostPolicy,
    LimitOptions,
    OptionError,
    ParsedOptions,
    ResourceCount,
    parse_options,
)


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
            ("--cache-config=memcached,host=h",),
            "Error: unable to find the cache implementation 'memcached': this server has 'local' "
            "and 'redis'",
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


def test_resources_have_a_count_and_perhaps_a_device() -> None:
    parsed = _parsed(
        "--rate-limit=execution_count",
        "--rate-limit-resource=R1:10",
        "--rate-limit-resource=R2:5:1",
    )
    assert parsed.options.limits == LimitOptions(
        rate_limit=True, resource_counts=(ResourceCount("R1", 10), ResourceCount("R2", 5, 1))
    )
    assert parsed.warnings == ()
    assert not _limits("--rate-limit=off", "--rate-limit-resource=R1:10").rate_limit


@pytest.mark.parametrize("value", ["R1:-1", "R1:1:-1", "R1:99999999999"])
def test_a_resource_is_counted_in_numbers_that_make_sense(value: str) -> None:
    number = value.rpartition(":")[2]
    assert _complaint(f"--rate-limit-resource={value}") == (
        f"--rate-limit-resource: Provided option value is out of bound. Got {number}"
    )


def test_a_host_policy_is_made_of_its_settings() -> None:
    limits = _limits(
        "--host-policy=cpu,cpu-cores=1-3",
        "--host-policy=near,numa-node=1",
        "--host-policy=cpu,cpu-cores=0,4-5",
        "--host-policy=near,cpu-cores=7",
    )
    assert limits.host_policies == (
        HostPolicy("cpu", cpu_cores=(0, 4, 5)),
        HostPolicy("near", cpu_cores=(7,), numa_node=1),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            "cpu,colour=red",
            "--host-policy 'cpu' has an unknown setting 'colour', expected 'numa-node' or "
            "'cpu-cores'",
        ),
        ("cpu,numa-node=x", "--host-policy 'cpu' numa-node: Invalid option value. Got x"),
        (
            "cpu,cpu-cores=3-1",
            "--host-policy 'cpu' cpu-cores: expected '<first core>-<last core>'. Got 3-1",
        ),
        (
            "cpu,cpu-cores=a",
            "--host-policy 'cpu' cpu-cores: expected '<first core>-<last core>'. Got a",
        ),
    ],
)
def test_a_host_policy_with_a_mistake_is_refused(value: str, text: str) -> None:
    assert _complaint(f"--host-policy={value}") == text
