"""tritonpy: NVIDIA Triton's model repository, protocol and metrics in one installable package."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tritonpy.worker.simple_model import model


def _installed_version() -> str:
    try:
        return version("tritonpy")
    except PackageNotFoundError:  # run from a tree that was never installed
        return "0+uninstalled"


__version__: Final = _installed_version()

__all__ = ["__version__", "model"]


def __getattr__(name: str) -> Any:
    if name == "model":  # needs numpy, which a bare `import tritonpy` does not
        from tritonpy.worker.simple_model import model

        return model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
