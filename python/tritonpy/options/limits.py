"""What models may take of the machine, from the command line: the response cache.

Rules and texts are those of Triton's command line and of its local cache.
"""

from __future__ import annotations

from typing import Final

from tritonpy.options.command_line import CommandLine
from tritonpy.options.readers import INT64_MAX, OptionError, Setting, integer
from tritonpy.options.settings import LimitOptions

_LOCAL: Final = "local"
_NO_LOCAL_CACHE: Final = "Failed to initialize LocalCache: "
_CACHE_SIZE_MIN: Final = 2048  # what one small answer takes


def limit_options(line: CommandLine) -> LimitOptions:
    """Return what the line says of limits. Raises OptionError."""
    return LimitOptions(response_cache_bytes=_response_cache_bytes(line))


def _response_cache_bytes(line: CommandLine) -> int:
    settings = line.values("cache-config", Setting)
    if line.has("response-cache-byte-size"):
        if settings:
            raise OptionError(
                "Error: Incompatible flags --response-cache-byte-size and --cache-config both "
                "provided. Please provide one or the other."
            )
        size = line.value("response-cache-byte-size", int)
        return _usable_cache_size(size) if size else 0
    if not settings:
        return 0
    names = list(dict.fromkeys(setting.scope for setting in settings))
    if len(names) > 1:
        raise OptionError(
            "Error: found multiple cache configurations, but only a single cache is currently "
            f"supported. Got {', '.join(names)}"
        )
    if names != [_LOCAL]:
        raise OptionError(
            f"Error: unable to find the cache implementation '{names[0]}': this server has "
            f"'{_LOCAL}' and no other yet"
        )
    return _local_cache_bytes(settings)


def _local_cache_bytes(settings: tuple[Setting, ...]) -> int:
    size: int | None = None
    for setting in settings:
        if setting.key != "size":
            raise OptionError(f"{_NO_LOCAL_CACHE}unknown setting '{setting.key}', expected 'size'")
        try:
            size = integer(0, INT64_MAX)(setting.value)
        except OptionError:
            size = None
    if size is None:
        raise OptionError(f"{_NO_LOCAL_CACHE}config didn't contain a valid 'size' field.")
    return _usable_cache_size(size)


def _usable_cache_size(size: int) -> int:
    if size < _CACHE_SIZE_MIN:
        raise OptionError(
            f"{_NO_LOCAL_CACHE}a 'size' of {size} bytes has room for no answer, at least "
            f"{_CACHE_SIZE_MIN} are needed"
        )
    return size
