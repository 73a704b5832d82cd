"""The service's values as the JSON of V2, and its requests out of JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tritonpy.api import ModelMetadata, ServerMetadata, Settings, TensorMetadata, VersionStatistics
from tritonpy.core import BatchSizeStatistics, DurationCount, ModelStatistics
from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.repository import IndexEntry, ParameterValue
from tritonpy.rollouts import RolloutState


def server_metadata_json(metadata: ServerMetadata) -> dict[str, Any]:
    """Return the answer of GET /v2."""
    return {
        "name": metadata.name,
        "version": metadata.version,
        "extensions": list(metadata.extensions),
    }


def model_metadata_json(metadata: ModelMetadata) -> dict[str, Any]:
    """Return the answer of GET /v2/models/<model>."""
    return {
        "name": metadata.name,
        "versions": [str(version) for version in metadata.versions],
        "platform": metadata.platform,
        "inputs": [_tensor_json(tensor) for tensor in metadata.inputs],
        "outputs": [_tensor_json(tensor) for tensor in metadata.outputs],
    }


def _tensor_json(tensor: TensorMetadata) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.data_type, "shape": list(tensor.shape)}


def statistics_json(statistics: Iterable[VersionStatistics]) -> dict[str, Any]:
    """Return the answer of .../stats."""
    return {"model_stats": [_version_json(version) for version in statistics]}


def _version_json(version: VersionStatistics) -> dict[str, Any]:
    counters = version.counters
    return {
        "name": version.name,
        "version": str(version.version),
        "last_inference": counters.last_inference_ms,
        "inference_count": counters.inference_count,
        "execution_count": counters.execution_count,
        "inference_stats": _inference_json(counters),
        "response_stats": {},
        "batch_stats": [_batch_json(batch) for batch in counters.batch_stats],
        "memory_usage": [],
    }


def _inference_json(counters: ModelStatistics) -> dict[str, Any]:
    return {
        "success": _duration_json(counters.success),
        "fail": _duration_json(counters.fail),
        "queue": _duration_json(counters.queue),
        "compute_input": _duration_json(counters.compute_input),
        "compute_infer": _duration_json(counters.compute_infer),
        "compute_output": _duration_json(counters.compute_output),
        "cache_hit": _duration_json(counters.cache_hit),
        "cache_miss": _duration_json(counters.cache_miss),
    }


def _batch_json(batch: BatchSizeStatistics) -> dict[str, Any]:
    return {
        "batch_size": batch.batch_size,
        "compute_input": _duration_json(batch.compute_input),
        "compute_infer": _duration_json(batch.compute_infer),
        "compute_output": _duration_json(batch.compute_output),
    }


def _duration_json(duration: DurationCount) -> dict[str, int]:
    return {"count": duration.count, "ns": duration.ns}


def index_json(entries: Iterable[IndexEntry]) -> list[dict[str, str]]:
    """Return the answer of the repository index; what an entry does not have is left out."""
    return [_index_entry_json(entry) for entry in entries]


def _index_entry_json(entry: IndexEntry) -> dict[str, str]:
    result = {"name": entry.name}
    if entry.version is not None:
        result["version"] = str(entry.version)
    if entry.state is not None:
        result["state"] = entry.state.value
    if entry.reason:
        result["reason"] = entry.reason
    return result


def settings_json(settings: Settings) -> dict[str, Any]:
    """Return settings by name."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.values.items()
    }


def rollout_json(state: RolloutState) -> dict[str, Any]:
    """Return a rollout that is in force, and what it did so far."""
    return {
        "rollout": state.document,
        "source": state.source,
        "rolled_back": state.rolled_back,
        "labels": [
            {
                "label": target.label,
                "version": str(target.version),
                "requests": target.requests,
                "failures": target.failures,
            }
            for target in state.targets
        ],
        "shadow": None if state.shadow is None else asdict(state.shadow),
    }


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a control request carries; an empty body is an empty one.

    Raises InternalError, as Triton does, for what is no JSON, InvalidArgError for too deep nesting.
    """
    if not body:
        return {}
    try:
        values = json.loads(body)
    except RecursionError as error:
        raise InvalidArgError("JSON nesting depth exceeds maximum allowed limit (100)") from error
    except ValueError as error:  # also text that is not UTF-8, and numbers of 4,300 digits
        reason = f"{error.msg} at {error.pos}" if isinstance(error, json.JSONDecodeError) else error
        raise InternalError(f"failed to parse the request JSON buffer: {reason}") from error
    if not isinstance(values, dict):
        raise InvalidArgError("the request must be a JSON object")
    return values


def parse_index_request(body: bytes) -> bool:
    """Return whether only ready models are asked for."""
    ready = parse_object(body).get("ready", False)
    if not isinstance(ready, bool):
        raise InvalidArgError("Invalid value for 'ready': expected a boolean")
    return ready


def parse_load_parameters(body: bytes) -> dict[str, ParameterValue]:
    """Return the parameters of a load or unload request, files as the bytes they stand for."""
    parameters = parse_object(body).get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise InvalidArgError("'parameters' must be a JSON object")
    return {name: _parameter(name, value) for name, value in parameters.items()}


def _parameter(name: str, value: object) -> ParameterValue:
    if name.startswith("file:"):
        if not isinstance(value, str):
            raise InvalidArgError(f"load parameter '{name}' must be a base64 encoded string")
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidArgError(f"load parameter '{name}' is no valid base64: {error}") from error
    if isinstance(value, (bool, int, float, str)):
        return value
    raise InvalidArgError(
        f"parameter '{name}' has invalid type. It should be either 'int', 'bool', or 'string'."
    )


def dump_json(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Return compact JSON in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
