"""InferenceResponse: what a model answers, and what it gets from the models that it asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tritonpy.worker.errors import TritonError, TritonModelException
from tritonpy.worker.parameters import as_text, checked
from tritonpy.worker.tensor import Tensor


class InferenceResponse:
    """Output tensors, or an error; and parameters."""

    __slots__ = ("_error", "_outputs", "_parameters")

    def __init__(
        self,
        output_tensors: Iterable[Tensor] = (),
        error: TritonError | None = None,
        parameters: dict[str, bool | int | str] | None = None,
    ) -> None:
        outputs = list(output_tensors)
        for tensor in outputs:
            if type(tensor) is not Tensor:
                _refuse(tensor)
        if error is not None and not isinstance(error, TritonError):
            raise TypeError(
                f"The error of an inference response must be a TritonError, got {type(error)}"
            )
        self._outputs = outputs
        self._error = error
        self._parameters = checked(parameters) if parameters is not None else None

    def output_tensors(self) -> list[Tensor]:
        """Return the outputs."""
        return self._outputs

    def has_error(self) -> bool:
        """Whether this is an error, not outputs."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """Return the error, None if there is none."""
        return self._error

    def parameters(self) -> str:
        """Return the parameters as the text of a JSON object."""
        return as_text(self._parameters or {})


def _refuse(tensor: Any) -> None:
    if tensor is None:
        raise TritonModelException("Output tensor for inference response should not be empty.")
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"The outputs of an inference response must be Tensors, found type '{type(tensor)}'"
        )


def failed(message: str, code: int = TritonError.INTERNAL) -> InferenceResponse:
    """Return a response that is an error."""
    return InferenceResponse(error=TritonError(message, code))
