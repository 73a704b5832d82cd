"""The command line of `tritonpy serve`: what it may say, and the plain values made of it."""

from tritonpy.options.command_line import UsageError
from tritonpy.options.composition import HelpRequested, ParsedOptions, parse_options
from tritonpy.options.readers import OptionError
from tritonpy.options.settings import (
    ControlMode,
    GrpcKeepalive,
    GrpcOptions,
    GrpcTls,
    HttpOptions,
    LogOptions,
    MetricsOptions,
    RepositoryOptions,
    ServerOptions,
)
from tritonpy.options.usage import usage

__all__ = [
    "ControlMode",
    "GrpcKeepalive",
    "GrpcOptions",
    "GrpcTls",
    "HelpRequested",
    "HttpOptions",
    "LogOptions",
    "MetricsOptions",
    "OptionError",
    "ParsedOptions",
    "RepositoryOptions",
    "ServerOptions",
    "UsageError",
    "parse_options",
    "usage",
]
