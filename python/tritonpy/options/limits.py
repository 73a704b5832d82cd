"""What models may take of the machine, from the command line: cache, resources, processors.

Rules and texts are those of Triton's command line and of its local cache; redis_cache.py has the
other one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tritonpy.options.command_line import CommandLine
from tritonpy.options.readers import INT64_MAX, OptionError, Setting, integer
from tritonpy.options.redis_cache import redis_cache_options
from tritonpy.options.settings import HostPolicy, LimitOptions, ResourceCount

_LOCAL: Final = "local"
_REDIS: Final = "redis"
_NO_LOCAL_CACHE: Final = "Failed to initialize LocalCache: "
_CACHE_SIZE_MIN: Final = 2048  # what one small answer takes
_CORES: Final = re.compile(r"[0-9]{1,6}(-[0-9]{1,6})?(,[0-9]{1,6}(-[0-9]{1,6})?)*")
_CORES_MAX: Final = 65536  # as the core has it


def limit_options(line: CommandLine, environment: Mapping[str, str]) -> LimitOptions:
    """Return what the line says of limits. Raises OptionError."""
    cache, settings = _cache_settings(line)
    return LimitOptions(
        response_cache_bytes=_response_cache_bytes(line, cache, settings),
        redis_cache=redis_cache_options(settings, environment) if cache == _REDIS else None,
        rate_limit=line.value("rate-limit", str) != "off",
        resource_counts=line.values("rate-limit-resource", ResourceCount),
        host_policies=_host_policies(line),
    )


def _cache_settings(line: CommandLine) -> tuple[str, tuple[Setting, ...]]:
    """Return which cache `--cache-config` names ("": none) and what it says of it."""
    settings = line.values("cache-config", Setting)
    names = list(dict.fromkeys(setting.scope for setting in settings))
    if settings and line.has("response-cache-byte-size"):
        raise OptionError(
            "Error: Incompatible flags --response-cache-byte-size and --cache-config both "
            "provided. Please provide one or the other."
        )
    if len(names) > 1:
        raise OptionError(
            "Error: found multiple cache configurations, but only a single cache is currently "
            f"supported. Got {', '.join(names)}"
        )
    if names and names[0] not in (_LOCAL, _REDIS):
        raise OptionError(
            f"Error: unable to find the cache implementation '{names[0]}': this server has "
            f"'{_LOCAL}' and '{_REDIS}'"
        )
    return (names[0] if names else "", settings)


def _response_cache_bytes(line: CommandLine, cache: str, settings: tuple[Setting, ...]) -> int:
    if line.has("response-cache-byte-size"):
        size = line.value("response-cache-byte-size", int)
        return _usable_cache_size(size) if size else 0
    return _local_cache_bytes(settings) if cache == _LOCAL else 0


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


def _host_policies(line: CommandLine) -> tuple[HostPolicy, ...]:
    policies: dict[str, HostPolicy] = {}
    for setting in line.values("host-policy", Setting):
        policy = policies.get(setting.scope, HostPolicy(setting.scope))
        if setting.key == "cpu-cores":
            policy = replace(policy, cpu_cores=_cores(setting))
        elif setting.key == "numa-node":
            policy = replace(policy, numa_node=_numa_node(setting))
        else:
            raise OptionError(
                f"--host-policy '{setting.scope}' has an unknown setting '{setting.key}', expected "
                "'numa-node' or 'cpu-cores'"
            )
        policies[setting.scope] = policy
    return tuple(policies.values())


def _numa_node(setting: Setting) -> int:
    try:
        return integer(0)(setting.value)
    except OptionError as error:
        raise OptionError(f"--host-policy '{setting.scope}' numa-node: {error}") from error


def _cores(setting: Setting) -> tuple[int, ...]:
    """Read `<first>-<last>`, or a list of such and of single cores."""
    cores: set[int] = set()
    if _CORES.fullmatch(setting.value):
        for part in setting.value.split(","):
            first, _, last = part.partition("-")
            cores.update(range(int(first), min(int(last or first), _CORES_MAX) + 1))
    if not cores:
        raise OptionError(
            f"--host-policy '{setting.scope}' cpu-cores: expected '<first core>-<last core>'. "
            f"Got {setting.value}"
        )
    return tuple(sorted(cores))
