"""tritonpy: NVIDIA Triton's model repository, protocol and metrics in one installable package."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final


def _installed_version() -> str:
    try:
        return version("tritonpy")
    except PackageNotFoundError:  # run from a tree that was never installed
        return "0+uninstalled"


__version__: Final = _installed_version()

__all__ = ["__version__"]
