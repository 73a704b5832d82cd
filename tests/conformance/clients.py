"""Triton's HTTP and gRPC clients behind what they have in common, for cases that run on both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient

Array = npt.NDArray[Any]


class Client:
    """One protocol. Answers are those of the HTTP client: plain dictionaries."""

    protocol: str
    module: ModuleType

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.raw.close()

    def tensor(self, name: str, array: Array, wire_type: str | None = None) -> Any:
        """Return an input; its type follows from the array where none is given."""
        kind = wire_type or wire_type_of(array)
        tensor = self.module.InferInput(name, list(array.shape), kind)
        tensor.set_data_from_numpy(array)
        return tensor

    def output(self, name: str, **options: Any) -> Any:
        """Return a requested output."""
        return self.module.InferRequestedOutput(name, **options)

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Array] | Sequence[Any],
        outputs: Sequence[Any] | None = None,
        **options: Any,
    ) -> Any:
        """Run one request; inputs by name, or ready-made."""
        tensors = (
            [self.tensor(name, array) for name, array in inputs.items()]
            if isinstance(inputs, Mapping)
            else list(inputs)
        )
        return self.raw.infer(model, tensors, outputs=outputs, **options)

    def response(self, result: Any) -> dict[str, Any]:
        """Return what a result says beside its tensors."""
        raise NotImplementedError

    def statistics(self, model: str = "", version: str = "") -> list[dict[str, Any]]:
        """Return the statistics of model versions, numbers as numbers."""
        raise NotImplementedError


class HttpClient(Client):
    """The HTTP client."""

    protocol = "http"
    module = httpclient

    def __init__(self, address: str) -> None:
        super().__init__(httpclient.InferenceServerClient(address))

    def response(self, result: Any) -> dict[str, Any]:
        response: dict[str, Any] = result.get_response()
        return response

    def statistics(self, model: str = "", version: str = "") -> list[dict[str, Any]]:
        answer: dict[str, Any] = self.raw.get_inference_statistics(model, version)
        stats: list[dict[str, Any]] = answer["model_stats"]
        return stats


class GrpcClient(Client):
    """The gRPC client."""

    protocol = "grpc"
    module = grpcclient

    def __init__(self, address: str) -> None:
        super().__init__(grpcclient.InferenceServerClient(address))

    def response(self, result: Any) -> dict[str, Any]:
        message = result.get_response()
        return {"id": message.id, "model_version": message.model_version} | {
            "model_name": message.model_name,
            "parameters": {
                name: getattr(value, value.WhichOneof("parameter_choice"))
                for name, value in message.parameters.items()
            },
        }

    def statistics(self, model: str = "", version: str = "") -> list[dict[str, Any]]:
        message = self.raw.get_inference_statistics(model, version)
        return [_statistics_of(each) for each in message.model_stats]


def _statistics_of(message: Any) -> dict[str, Any]:
    computing = ("compute_input", "compute_infer", "compute_output")
    durations = ("success", "fail", "queue", *computing, "cache_hit", "cache_miss")
    inference = message.inference_stats
    return {
        "name": message.name,
        "version": message.version,
        "last_inference": message.last_inference,
        "inference_count": message.inference_count,
        "execution_count": message.execution_count,
        "inference_stats": {
            name: {"count": getattr(inference, name).count, "ns": getattr(inference, name).ns}
            for name in durations
        },
        "batch_stats": [
            {
                "batch_size": batch.batch_size,
                "compute_infer": {
                    "count": batch.compute_infer.count,
                    "ns": batch.compute_infer.ns,
                },
            }
            for batch in message.batch_stats
        ],
    }


def wire_type_of(array: Array) -> str:
    """Return the V2 data type of an array; float32 arrays are FP32, objects are BYTES."""
    if array.dtype.kind in "OSU":
        return "BYTES"
    if array.dtype.kind == "b":
        return "BOOL"
    letters = {"i": "INT", "u": "UINT", "f": "FP"}
    return f"{letters[array.dtype.kind]}{array.dtype.itemsize * 8}"


def strings(*values: bytes | str) -> Array:
    """Return a [1, n] array of BYTES elements."""
    elements = [value.encode() if isinstance(value, str) else value for value in values]
    array = np.empty((1, len(elements)), dtype=np.object_)
    array[0] = elements
    return array
