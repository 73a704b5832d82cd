"""tritonpy: NVIDIA Triton's model repository, protocol and metrics in one installable package."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tritonpy.worker.simple_model import model

# Here, where the build reads it from: to ask the installed package takes a tenth of a cold start.
__version__: Final = "0.1.0"

__all__ = ["__version__", "model"]


def __getattr__(name: str) -> Any:
    if name == "model":  # needs numpy, which a bare `import tritonpy` does not
        from tritonpy.worker.simple_model import model

        return model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
