"""`@tritonpy.model`: a typed function, or a class with a typed `__call__`, becomes a model.

    @tritonpy.model
    def shout(text: str) -> str:
        return text.upper()

The annotations are the model's inputs and outputs, so no config.pbtxt is needed. By default the
function is called once for each request. With `batching=True`, or the greatest batch size, it is
called with the requests of a batch joined along a first dimension, scalars as lists. A generator
function streams: each value that it yields is a response. A class is made when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, overload

from tritonpy.worker.annotations import Signature, signature_of

DEFAULT_MAX_BATCH_SIZE: Final = 64

_Target = TypeVar("_Target", bound=Callable[..., Any])


class SimpleModel:
    """A function or class and how it is served. It is called as before."""

    def __init__(
        self, target: Callable[..., Any], max_batch_size: int, outputs: Sequence[str] | None
    ) -> None:
        self.target: Final = target
        self.max_batch_size: Final = max_batch_size
        self.name: Final = target.__name__
        self.__doc__ = target.__doc__
        self._outputs = None if outputs is None else tuple(outputs)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.target(*arguments, **named)

    def signature(self) -> Signature:
        """Return what the annotations say. TypeError where they do not say enough."""
        return signature_of(self._function(), self._outputs)

    def _function(self) -> Callable[..., Any]:
        if not isinstance(self.target, type):
            return self.target
        if "__call__" in vars(self.target):
            return self.target.__call__
        predict = getattr(self.target, "predict", None)
        if predict is None:
            raise TypeError(f"class '{self.name}' has neither __call__ nor predict")
        return predict  # type: ignore[no-any-return]

    def bound_function(self) -> Callable[..., Any]:
        """Return what is called with tensors, of a new object where the target is a class."""
        if not isinstance(self.target, type):
            return self.target
        made = self.target()
        return getattr(made, self._function().__name__)  # type: ignore[no-any-return]

    def model_class(self) -> Callable[[], Any]:
        """Return what makes the model that a worker runs."""
        from tritonpy.worker.simple_execution import SimplePythonModel

        return SimplePythonModel.factory(self)


@overload
def model(target: _Target) -> _Target: ...


@overload
def model(
    *, batching: bool | int = False, outputs: Sequence[str] | None = None
) -> Callable[[_Target], _Target]: ...


def model(
    target: Callable[..., Any] | None = None,
    *,
    batching: bool | int = False,
    outputs: Sequence[str] | None = None,
) -> Any:
    """Make a model of a typed function or class; see this module.

    `batching` is the greatest batch size, 64 for True. `outputs` names what is returned, where the
    annotation does not: a NamedTuple does.
    """
    max_batch_size = DEFAULT_MAX_BATCH_SIZE if batching is True else int(batching)
    if max_batch_size < 0:
        raise ValueError(f"batching must be True, False or a positive number, not {batching}")

    def decorate(wrapped: Callable[..., Any]) -> SimpleModel:
        return SimpleModel(wrapped, max_batch_size, outputs)

    return decorate if target is None else decorate(target)
