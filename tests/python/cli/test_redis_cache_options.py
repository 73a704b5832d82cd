"""Goal: settings of the redis cache become values, mistakes in them Triton's complaints.

Method: command lines and environments, and what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tritonpy.options import OptionError, RedisCacheOptions, ServerOptions, parse_options

_NO_ADDRESS = (
    "Failed to initialize RedisCache, didn't specify address. Must at a minimum specify 'host' and "
    "'port' in the configuration - e.g. --cache-config redis,host=redis --cache-config "
    "redis,port=6379"
)


def _options(*settings: str, environment: Mapping[str, str] | None = None) -> ServerOptions:
    arguments = [f"--cache-config=redis,{setting}" for setting in settings]
    return parse_options(["--repo=/models", *arguments], environment or {}).options


def test_host_and_port_are_enough() -> None:
    options = _options("host=h", "port=6379")
    assert options.limits.redis_cache == RedisCacheOptions("h", 6379)
    assert options.limits.response_cache_bytes == 0
    assert options.repository.shares_answers


def test_without_redis_nothing_is_shared() -> None:
    options = parse_options(["--repo=/models", "--cache-config=local,size=4096"], {}).options
    assert options.limits.redis_cache is None
    assert not options.repository.shares_answers


def test_every_setting_has_its_place() -> None:
    options = _options(
        "host=h",
        "port=1",
        "user=u",
        "password=p,=q",
        "db=3",
        "connect_timeout=200",
        "socket_timeout=20",
        "pool_size=4",
        "wait_timeout=1",
    )
    assert options.limits.redis_cache == RedisCacheOptions("h", 1, "u", "p,=q", 3, 200, 20)


def test_triton_s_zeros_mean_times_that_requests_can_wait() -> None:
    options = _options("host=h", "port=1", "connect_timeout=0", "socket_timeout=0", "user=default")
    assert options.limits.redis_cache == RedisCacheOptions("h", 1)


def test_the_environment_has_what_the_line_does_not_say() -> None:
    environment = {
        "TRITONCACHE_REDIS_USERNAME": "u",
        "TRITONCACHE_REDIS_PASSWORD": "secret",
        "TRITON_REDIS_HOST": "h",
        "TRITON_REDIS_PORT": "5",
    }
    given = _options("db=0", environment=environment).limits.redis_cache
    assert given == RedisCacheOptions("h", 5, "u", "secret")
    assert "secret" not in repr(given)
    given = _options("port=6", "password=other", environment=environment).limits.redis_cache
    assert given == RedisCacheOptions("h", 6, "u", "other")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (("host=h",), _NO_ADDRESS),
        (("port=1",), _NO_ADDRESS),
        (("host=h", "port=0"), _NO_ADDRESS),
        (
            ("host=h", "port=x"),
            "Failed to initialize RedisCache: 'port': Invalid option value. Got x",
        ),
        (
            ("host=h", "port=65536"),
            "Failed to initialize RedisCache: 'port': Provided option value is out of bound. Got "
            "65536",
        ),
        (
            ("host=h", "port=1", "size=4096"),
            "Failed to initialize RedisCache: unknown setting 'size'",
        ),
    ],
)
def test_a_mistake_is_named(settings: tuple[str, ...], text: str) -> None:
    with pytest.raises(OptionError) as complaint:
        _options(*settings)
    assert str(complaint.value) == text
