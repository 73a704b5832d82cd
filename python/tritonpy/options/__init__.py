"""The command line of `tritonpy serve`: what it may say, and the plain values made of it."""

from tritonpy.options.command_line import UsageError
from tritonpy.options.composition import HelpRequested, ParsedOptions, parse_options
from tritonpy.options.readers import OptionError
from tritonpy.options.settings import (
    ConnectionOptions,
    ControlMode,
    GrpcKeepalive,
    GrpcOptions,
    HostPolicy,
    HttpOptions,
    LimitOptions,
    LogOptions,
    MetricsOptions,
    PythonOptions,
    RedisCacheOptions,
    RepositoryOptions,
    ResourceCount,
    ServerOptions,
    TlsFiles,
)
from tritonpy.options.usage import usage

__all__ = [
    "ConnectionOptions",
    "ControlMode",
    "GrpcKeepalive",
    "GrpcOptions",
    "HelpRequested",
    "HostPolicy",
    "HttpOptions",
    "LimitOptions",
    "LogOptions",
    "MetricsOptions",
    "OptionError",
    "ParsedOptions",
    "PythonOptions",
    "RedisCacheOptions",
    "RepositoryOptions",
    "ResourceCount",
    "ServerOptions",
    "TlsFiles",
    "UsageError",
    "parse_options",
    "usage",
]
