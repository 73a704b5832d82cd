"""The `tritonpy` command: one module a command, found by its first word."""

from tritonpy.cli.command import main

__all__ = ["main"]
