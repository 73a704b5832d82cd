"""The options of `serve` that say how models are loaded, for commands that look at repositories."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tritonpy.options import OptionError, RepositoryOptions, parse_options


def add_serving_options(parser: argparse.ArgumentParser) -> None:
    """Let a command be told what the server is, or would be, started with."""
    defaults = RepositoryOptions()
    group = parser.add_argument_group("options that the server has too")
    group.add_argument(
        "--model-config-name",
        metavar="NAME",
        help="read configs/<name>.pbtxt of the models that have it",
    )
    group.add_argument(
        "--disable-auto-complete-config", action="store_true", help="take configs as they are"
    )
    group.add_argument(
        "--model-namespacing", metavar="BOOL", default="false", help="repositories may share names"
    )
    group.add_argument(
        "--backend-config",
        metavar="[BACKEND],KEY=VALUE",
        action="append",
        default=[],
        help="default-max-batch-size is what counts",
    )
    group.add_argument(
        "--backend-directory",
        metavar="PATH",
        default=str(defaults.backend_directory),
        help="where backends are that are Python programs (%(default)s)",
    )


def serving_options(
    parser: argparse.ArgumentParser, parsed: argparse.Namespace, *repositories: Path
) -> RepositoryOptions:
    """Return what these options mean to a server of `repositories`; end as `parser` where wrong."""
    words = [f"--model-repository={path}" for path in repositories]
    words += [f"--backend-config={setting}" for setting in parsed.backend_config]
    words.append(f"--backend-directory={parsed.backend_directory}")
    words.append(f"--model-namespacing={parsed.model_namespacing}")
    if parsed.model_config_name is not None:
        words.append(f"--model-config-name={parsed.model_config_name}")
    if parsed.disable_auto_complete_config:
        words.append("--disable-auto-complete-config")
    try:
        return parse_options(words, os.environ).options.repository
    except OptionError as error:
        parser.error(str(error).removeprefix("Error: "))
