"""`tritonpy serve`: a server, with the options of tritonserver."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from tritonpy.options import (
    HelpRequested,
    OptionError,
    ServerOptions,
    UsageError,
    parse_options,
    usage,
)


def run(arguments: Sequence[str]) -> int:
    """Serve until told to stop; return the exit status."""
    try:
        options = _read_options(arguments, os.environ)
    except HelpRequested:
        print(usage())
        return 0
    if options is None:
        return 1
    # Only now: the extension and the front ends take a moment to load.
    from tritonpy.server import serve

    return serve(options)


def _read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> ServerOptions | None:
    """Return the options, None when they are wrong; what there is to say goes to stderr.

    Raises HelpRequested.
    """
    try:
        parsed = parse_options(arguments, environment)
    except UsageError as error:
        print(f"{usage()}\n\n{error}", file=sys.stderr)
        return None
    except OptionError as error:
        print(error, file=sys.stderr)
        return None
    for warning in parsed.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return parsed.options
