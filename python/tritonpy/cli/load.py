"""`tritonpy load`: let a running server load models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tritonpy.cli.server_client import ServerClient, add_url, call_for_each


def run(arguments: Sequence[str]) -> int:
    """Load each model in turn and say what became of it; return 1 where one did not load."""
    parser = argparse.ArgumentParser(
        "tritonpy load",
        description="Let a running server load models, or bring them up to date, and wait for it. "
        "The server must run with --model-control-mode=explicit. The exit status is 1 where a "
        "model did not load.",
    )
    parser.add_argument("model", nargs="+", help="name of a model in the server's repositories")
    add_url(parser)
    parsed = parser.parse_args(arguments)
    client = ServerClient(parsed.url)
    return call_for_each("load", parsed.model, client.load, "loaded")
