"""The service's values as the messages of `grpc_service.proto`, and its requests out of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from tritonpy.api import ModelMetadata, ServerMetadata, Settings, TensorMetadata, VersionStatistics
from tritonpy.config import ModelConfig
from tritonpy.core import DurationCount, ModelStatistics
from tritonpy.errors import InvalidArgError
from tritonpy.protos import grpc_service_pb2 as v2
from tritonpy.repository import IndexEntry, ParameterValue

_Message = TypeVar("_Message", bound=Message)


def parse_message(message_type: type[_Message], message: bytes) -> _Message:
    """Return a message out of its bytes; InvalidArgError for what is none."""
    try:
        return message_type.FromString(message)
    except DecodeError as error:
        name = message_type.DESCRIPTOR.name
        raise InvalidArgError(f"failed to parse {name}: {error}") from error


def server_metadata_message(metadata: ServerMetadata) -> v2.ServerMetadataResponse:
    """Return the answer of ServerMetadata."""
    return v2.ServerMetadataResponse(
        name=metadata.name, version=metadata.version, extensions=metadata.extensions
    )


def model_metadata_message(metadata: ModelMetadata) -> v2.ModelMetadataResponse:
    """Return the answer of ModelMetadata."""
    return v2.ModelMetadataResponse(
        name=metadata.name,
        versions=[str(version) for version in metadata.versions],
        platform=metadata.platform,
        inputs=[_tensor_message(tensor) for tensor in metadata.inputs],
        outputs=[_tensor_message(tensor) for tensor in metadata.outputs],
    )


def _tensor_message(tensor: TensorMetadata) -> v2.ModelMetadataResponse.TensorMetadata:
    return v2.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=tensor.data_type, shape=tensor.shape
    )


def config_message(config: ModelConfig) -> v2.ModelConfigResponse:
    """Return the answer of ModelConfig."""
    return v2.ModelConfigResponse(config=config)


def statistics_message(versions: Iterable[VersionStatistics]) -> v2.ModelStatisticsResponse:
    """Return the answer of ModelStatistics."""
    return v2.ModelStatisticsResponse(model_stats=[_version_message(each) for each in versions])


def _version_message(version: VersionStatistics) -> v2.ModelStatistics:
    counters = version.counters
    return v2.ModelStatistics(
        name=version.name,
        version=str(version.version),
        last_inference=counters.last_inference_ms,
        inference_count=counters.inference_count,
        execution_count=counters.execution_count,
        inference_stats=_inference_message(counters),
        batch_stats=[
            v2.InferBatchStatistics(
                batch_size=batch.batch_size,
                compute_input=_duration_message(batch.compute_input),
                compute_infer=_duration_message(batch.compute_infer),
                compute_output=_duration_message(batch.compute_output),
            )
            for batch in counters.batch_stats
        ],
    )


def _inference_message(counters: ModelStatistics) -> v2.InferStatistics:
    return v2.InferStatistics(
        success=_duration_message(counters.success),
        fail=_duration_message(counters.fail),
        queue=_duration_message(counters.queue),
        compute_input=_duration_message(counters.compute_input),
        compute_infer=_duration_message(counters.compute_infer),
        compute_output=_duration_message(counters.compute_output),
        cache_hit=_duration_message(counters.cache_hit),
        cache_miss=_duration_message(counters.cache_miss),
    )


def _duration_message(duration: DurationCount) -> v2.StatisticDuration:
    return v2.StatisticDuration(count=duration.count, ns=duration.ns)


def index_message(entries: Iterable[IndexEntry]) -> v2.RepositoryIndexResponse:
    """Return the answer of RepositoryIndex."""
    return v2.RepositoryIndexResponse(models=[_index_entry_message(entry) for entry in entries])


def _index_entry_message(entry: IndexEntry) -> v2.RepositoryIndexResponse.ModelIndex:
    return v2.RepositoryIndexResponse.ModelIndex(
        name=entry.name,
        version="" if entry.version is None else str(entry.version),
        state="" if entry.state is None else entry.state.value,
        reason=entry.reason,
    )


def trace_settings_message(settings: Settings) -> v2.TraceSettingResponse:
    """Return the answer of TraceSetting: every value is a list of texts."""
    return v2.TraceSettingResponse(
        settings={
            name: v2.TraceSettingResponse.SettingValue(
                value=value if isinstance(value, tuple) else [str(value)]
            )
            for name, value in settings.values.items()
        }
    )


def log_settings_message(settings: Settings) -> v2.LogSettingsResponse:
    """Return the answer of LogSettings."""
    return v2.LogSettingsResponse(
        settings={name: _log_value(value) for name, value in settings.values.items()}
    )


def _log_value(value: object) -> v2.LogSettingsResponse.SettingValue:
    if isinstance(value, bool):
        return v2.LogSettingsResponse.SettingValue(bool_param=value)
    if isinstance(value, int):
        return v2.LogSettingsResponse.SettingValue(uint32_param=value)
    return v2.LogSettingsResponse.SettingValue(string_param=str(value))


def parse_load_parameters(
    parameters: Mapping[str, v2.ModelRepositoryParameter],
) -> dict[str, ParameterValue]:
    """Return the parameters of a load request; InvalidArgError for wrong types and names."""
    for name, parameter in parameters.items():
        if name == "config":
            expected = "string_param"
        elif name.startswith("file:"):
            expected = "bytes_param"
        else:
            raise InvalidArgError(f"unrecognized load parameter '{name}'.")
        _require_choice(parameter, expected, f"load parameter '{name}'")
    return {name: _chosen(parameter) for name, parameter in parameters.items()}


def parse_unload_parameters(
    parameters: Mapping[str, v2.ModelRepositoryParameter],
) -> dict[str, ParameterValue]:
    """Return the parameters of an unload request; InvalidArgError for wrong types and names."""
    for name, parameter in parameters.items():
        if name != "unload_dependents":
            raise InvalidArgError(f"unrecognized unload parameter '{name}'.")
        _require_choice(parameter, "bool_param", f"unload parameter '{name}'")
    return {name: _chosen(parameter) for name, parameter in parameters.items()}


def _require_choice(parameter: Message, expected: str, what: str) -> None:
    if parameter.WhichOneof("parameter_choice") != expected:
        raise InvalidArgError(f"invalid value type for {what}, expected {expected}.")


def _chosen(parameter: Message) -> ParameterValue:
    choice = parameter.WhichOneof("parameter_choice")
    value: Any = getattr(parameter, str(choice))
    assert isinstance(value, (bool, int, float, str, bytes))
    return value


def request_id_of(message: bytes) -> str:
    """Return the id of a serialised ModelInferRequest; "" where it cannot be read."""
    try:
        return v2.ModelInferRequest.FromString(message).id
    except DecodeError:
        return ""


def stream_error(text: str, request_id: str) -> bytes:
    """Return a serialised ModelStreamInferResponse that says why a request failed."""
    return v2.ModelStreamInferResponse(
        error_message=text, infer_response=v2.ModelInferResponse(id=request_id)
    ).SerializeToString()
