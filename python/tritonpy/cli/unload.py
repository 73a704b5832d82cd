"""`tritonpy unload`: let a running server unload models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from tritonpy.cli.server_client import ServerClient, add_url, call_for_each


def run(arguments: Sequence[str]) -> int:
    """Unload each model in turn and say so; return 1 where the server refused."""
    parser = argparse.ArgumentParser(
        "tritonpy unload",
        description="Let a running server unload models, each when its last request is answered. "
        "The server must run with --model-control-mode=explicit. A model that is not loaded is no "
        "error.",
    )
    parser.add_argument("model", nargs="+", help="name of a model")
    parser.add_argument(
        "--with-dependents",
        action="store_true",
        help="of an ensemble also the models of its steps",
    )
    add_url(parser)
    parsed = parser.parse_args(arguments)
    client = ServerClient(parsed.url)
    unload = partial(client.unload, with_dependents=parsed.with_dependents)
    return call_for_each("unload", parsed.model, unload, "unloaded")
