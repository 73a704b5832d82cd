"""The redis response cache, from the command line and the environment.

Settings, texts and environment variables are those of Triton's redis cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tritonpy.options.readers import OptionError, Setting, integer
from tritonpy.options.settings import RedisCacheOptions

_NO_REDIS_CACHE: Final = "Failed to initialize RedisCache: "
_NO_ADDRESS: Final = (
    "Failed to initialize RedisCache, didn't specify address. Must at a minimum specify 'host' and "
    "'port' in the configuration - e.g. --cache-config redis,host=redis --cache-config "
    "redis,port=6379"
)
_TEXTS: Final = frozenset(("host", "user", "password"))
# The largest value of each.
_NUMBERS: Final = {
    "port": 65535,
    "db": 2**31 - 1,
    "connect_timeout": 3_600_000,
    "socket_timeout": 3_600_000,
}
# There is one connection, for which nobody waits.
_MEANINGLESS: Final = frozenset(("pool_size", "wait_timeout"))
_DEFAULT_USER: Final = "default"  # who one is without a name
# Triton's 0 is for ever, which is no time that requests can wait.
_CONNECT_TIMEOUT_MS: Final = 1000
_SOCKET_TIMEOUT_MS: Final = 50


def redis_cache_options(
    settings: Sequence[Setting], environment: Mapping[str, str]
) -> RedisCacheOptions:
    """Return where redis is and how to enter. Raises OptionError."""
    texts = {
        "user": environment.get("TRITONCACHE_REDIS_USERNAME", ""),
        "password": environment.get("TRITONCACHE_REDIS_PASSWORD", ""),
        "host": environment.get("TRITON_REDIS_HOST", ""),
    }
    numbers = {"port": 0, "db": 0, "connect_timeout": 0, "socket_timeout": 0}
    if "TRITON_REDIS_PORT" in environment:
        numbers["port"] = _number(Setting("redis", "port", environment["TRITON_REDIS_PORT"]))
    for setting in settings:
        if setting.key in _TEXTS:
            texts[setting.key] = setting.value
        elif setting.key in _NUMBERS:
            numbers[setting.key] = _number(setting)
        elif setting.key not in _MEANINGLESS:
            raise OptionError(f"{_NO_REDIS_CACHE}unknown setting '{setting.key}'")
    if not texts["host"] or not numbers["port"]:
        raise OptionError(_NO_ADDRESS)
    return RedisCacheOptions(
        host=texts["host"],
        port=numbers["port"],
        user="" if texts["user"] == _DEFAULT_USER else texts["user"],
        password=texts["password"],
        database=numbers["db"],
        connect_timeout_ms=numbers["connect_timeout"] or _CONNECT_TIMEOUT_MS,
        socket_timeout_ms=numbers["socket_timeout"] or _SOCKET_TIMEOUT_MS,
    )


def _number(setting: Setting) -> int:
    try:
        return integer(0, _NUMBERS[setting.key])(setting.value)
    except OptionError as error:
        raise OptionError(f"{_NO_REDIS_CACHE}'{setting.key}': {error}") from error
