"""Every gRPC call but inference, over the service."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from tritonpy.api import V2Service
from tritonpy.errors import UnsupportedError
from tritonpy.frontends.grpc import codec
from tritonpy.frontends.grpc.calls import CallTable, UnaryCall, path_of, unary_call
from tritonpy.frontends.grpc.health import HEALTH_SERVICE_NAME, health_calls
from tritonpy.frontends.grpc.reflection import reflection_calls
from tritonpy.protos import grpc_service_pb2 as v2

SERVICE_NAME: Final = "inference.GRPCInferenceService"


class ControlCalls:
    """One method for each call. Confined to the loop."""

    def __init__(self, service: V2Service) -> None:
        self._service = service

    async def server_live(self, _: v2.ServerLiveRequest) -> v2.ServerLiveResponse:
        return v2.ServerLiveResponse(live=self._service.is_live())

    async def server_ready(self, _: v2.ServerReadyRequest) -> v2.ServerReadyResponse:
        return v2.ServerReadyResponse(ready=self._service.is_ready())

    async def model_ready(self, request: v2.ModelReadyRequest) -> v2.ModelReadyResponse:
        ready = await self._service.is_model_ready(request.name, request.version)
        return v2.ModelReadyResponse(ready=ready)

    async def server_metadata(self, _: v2.ServerMetadataRequest) -> v2.ServerMetadataResponse:
        return codec.server_metadata_message(self._service.server_metadata())

    async def model_metadata(self, request: v2.ModelMetadataRequest) -> v2.ModelMetadataResponse:
        metadata = await self._service.model_metadata(request.name, request.version)
        return codec.model_metadata_message(metadata)

    async def model_config(self, request: v2.ModelConfigRequest) -> v2.ModelConfigResponse:
        return codec.config_message(await self._service.model_config(request.name, request.version))

    async def model_statistics(
        self, request: v2.ModelStatisticsRequest
    ) -> v2.ModelStatisticsResponse:
        return codec.statistics_message(self._service.statistics(request.name, request.version))

    async def index(self, request: v2.RepositoryIndexRequest) -> v2.RepositoryIndexResponse:
        entries = await self._service.repository_index(ready_only=request.ready)
        return codec.index_message(entries)

    async def load(self, request: v2.RepositoryModelLoadRequest) -> v2.RepositoryModelLoadResponse:
        _require_no_repository(request.repository_name)
        parameters = codec.parse_load_parameters(request.parameters)
        await self._service.load_model(request.model_name, parameters)
        return v2.RepositoryModelLoadResponse()

    async def unload(
        self, request: v2.RepositoryModelUnloadRequest
    ) -> v2.RepositoryModelUnloadResponse:
        _require_no_repository(request.repository_name)
        parameters = codec.parse_unload_parameters(request.parameters)
        await self._service.unload_model(request.model_name, parameters)
        return v2.RepositoryModelUnloadResponse()

    async def system_shared_memory_status(
        self, request: v2.SystemSharedMemoryStatusRequest
    ) -> v2.SystemSharedMemoryStatusResponse:
        self._service.require_region_known("system", request.name)
        return v2.SystemSharedMemoryStatusResponse()

    async def cuda_shared_memory_status(
        self, request: v2.CudaSharedMemoryStatusRequest
    ) -> v2.CudaSharedMemoryStatusResponse:
        self._service.require_region_known("cuda", request.name)
        return v2.CudaSharedMemoryStatusResponse()

    async def shared_memory(self, _: Message) -> Message:
        self._service.require_shared_memory()
        return v2.SystemSharedMemoryRegisterResponse()

    async def trace_setting(self, request: v2.TraceSettingRequest) -> v2.TraceSettingResponse:
        settings = self._service.update_trace_settings(request.settings, request.model_name)
        return codec.trace_settings_message(settings)

    async def log_settings(self, request: v2.LogSettingsRequest) -> v2.LogSettingsResponse:
        return codec.log_settings_message(self._service.update_log_settings(request.settings))


def service_calls(service: V2Service) -> dict[str, UnaryCall]:
    """Return every call of the service but inference, by path."""
    control = ControlCalls(service)
    calls = {
        "ServerLive": unary_call(v2.ServerLiveRequest, control.server_live),
        "ServerReady": unary_call(v2.ServerReadyRequest, control.server_ready),
        "ModelReady": unary_call(v2.ModelReadyRequest, control.model_ready),
        "ServerMetadata": unary_call(v2.ServerMetadataRequest, control.server_metadata),
        "ModelMetadata": unary_call(v2.ModelMetadataRequest, control.model_metadata),
        "ModelConfig": unary_call(v2.ModelConfigRequest, control.model_config),
        "ModelStatistics": unary_call(v2.ModelStatisticsRequest, control.model_statistics),
        "RepositoryIndex": unary_call(v2.RepositoryIndexRequest, control.index),
        "RepositoryModelLoad": unary_call(v2.RepositoryModelLoadRequest, control.load),
        "RepositoryModelUnload": unary_call(v2.RepositoryModelUnloadRequest, control.unload),
        "SystemSharedMemoryStatus": unary_call(
            v2.SystemSharedMemoryStatusRequest, control.system_shared_memory_status
        ),
        "SystemSharedMemoryRegister": unary_call(
            v2.SystemSharedMemoryRegisterRequest, control.shared_memory
        ),
        "SystemSharedMemoryUnregister": unary_call(
            v2.SystemSharedMemoryUnregisterRequest, control.shared_memory
        ),
        "CudaSharedMemoryStatus": unary_call(
            v2.CudaSharedMemoryStatusRequest, control.cuda_shared_memory_status
        ),
        "CudaSharedMemoryRegister": unary_call(
            v2.CudaSharedMemoryRegisterRequest, control.shared_memory
        ),
        "CudaSharedMemoryUnregister": unary_call(
            v2.CudaSharedMemoryUnregisterRequest, control.shared_memory
        ),
        "TraceSetting": unary_call(v2.TraceSettingRequest, control.trace_setting),
        "LogSettings": unary_call(v2.LogSettingsRequest, control.log_settings),
    }
    return {path_of(SERVICE_NAME, method): call for method, call in calls.items()}


def control_calls(service: V2Service) -> CallTable:
    """Return everything that the gRPC port answers but inference: V2, health and reflection."""
    names = (SERVICE_NAME, HEALTH_SERVICE_NAME)
    return CallTable(
        unary={**service_calls(service), **health_calls(service)},
        streams=reflection_calls(names),
    )


def _require_no_repository(name: str) -> None:
    if name:
        raise UnsupportedError("'repository_name' specification is not supported")
