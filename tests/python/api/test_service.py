"""Goal: the service answers, or refuses with Triton's texts, whatever the transport.

Method: a repository and a core that are scripted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.python.api.fakes import FakeCore, FakeRepository, log_settings, served
from tritonpy.api import TensorMetadata, V2Service
from tritonpy.errors import (
    InternalError,
    InvalidArgError,
    NotFoundError,
    TritonError,
    UnavailableError,
    UnsupportedError,
)


def _service(repository: FakeRepository, *, strict: bool = True) -> V2Service:
    return V2Service(
        repository,
        FakeCore(gone=frozenset({9})),
        log_settings,
        server_name="triton",
        server_version="1.2",
        strict_readiness=strict,
    )


@pytest.fixture
def repository() -> FakeRepository:
    return FakeRepository(served(), served(version=3), served("other"))


@pytest.fixture
def service(repository: FakeRepository) -> V2Service:
    return _service(repository)


def test_server_metadata_claims_only_what_is_there(service: V2Service) -> None:
    metadata = service.server_metadata()
    assert (metadata.name, metadata.version) == ("triton", "1.2")
    assert "sequence" not in metadata.extensions
    assert "system_shared_memory" not in metadata.extensions


@pytest.mark.parametrize("strict", [True, False])
def test_readiness_is_as_strict_as_asked(repository: FakeRepository, strict: bool) -> None:
    service = _service(repository, strict=strict)
    assert service.is_ready()
    assert repository.strict is strict
    repository.ready = False
    assert not service.is_ready()


def test_exiting_server_says_so(repository: FakeRepository, service: V2Service) -> None:
    assert service.is_live()
    repository.is_exiting = True
    for ask in (service.is_live, service.is_ready):
        with pytest.raises(UnavailableError, match=r"^Server exiting$"):
            ask()


async def test_model_metadata_prepends_the_batch_dimension_and_ignores_reshape(
    service: V2Service,
) -> None:
    metadata = await service.model_metadata("model", "")
    assert metadata.versions == (1, 3)
    assert metadata.platform == "identity"
    assert metadata.inputs == (TensorMetadata("IN", "BYTES", (-1, 3, -1)),)
    assert metadata.outputs == (TensorMetadata("OUT", "FP32", (-1, 2)),)
    assert (await service.model_metadata("model", "1")).versions == (1,)


async def test_readiness_of_a_model_is_an_error_or_a_value(service: V2Service) -> None:
    await service.require_model_ready("model", "3")
    with pytest.raises(NotFoundError):
        await service.require_model_ready("model", "2")
    assert await service.is_model_ready("model", "")
    assert not await service.is_model_ready("nobody", "")
    with pytest.raises(InvalidArgError):
        await service.is_model_ready("model", "one")


def test_statistics_are_of_a_version_a_model_or_everything(service: V2Service) -> None:
    def versions(name: str, version: str) -> list[tuple[str, int]]:
        return [(each.name, each.version) for each in service.statistics(name, version)]

    assert versions("", "") == [("model", 1), ("model", 3), ("other", 1)]
    assert versions("model", "") == [("model", 1), ("model", 3)]
    assert versions("model", "3") == [("model", 3)]
    assert service.statistics("model", "3")[0].counters.inference_count == 3


def test_version_that_goes_away_meanwhile_is_left_out() -> None:
    service = _service(FakeRepository(served(), served(version=9)))
    assert [each.version for each in service.statistics()] == [1]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda service: service.statistics("nobody"),
            InvalidArgError,
            "requested model 'nobody' is not available",
        ),
        (
            lambda service: service.statistics("model", "2"),
            InvalidArgError,
            "requested model version is not available for model 'model'",
        ),
        (
            lambda service: service.trace_settings("nobody"),
            InvalidArgError,
            "Request for unknown model : nobody",
        ),
        (
            lambda service: service.update_trace_settings(["trace_rate"]),
            UnsupportedError,
            "trace settings can not be updated, got: 'trace_rate'",
        ),
        (
            lambda service: service.update_log_settings(["log_info", "log_error"]),
            UnsupportedError,
            "log settings can not be updated, got: 'log_info', 'log_error'",
        ),
        (
            lambda service: service.require_region_known("cuda", "r"),
            NotFoundError,
            "Unable to find cuda shared memory region: 'r'",
        ),
        (
            lambda service: service.require_shared_memory(),
            UnsupportedError,
            "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to "
            "enable.",
        ),
    ],
)
def test_refusals_have_the_texts_of_triton(
    service: V2Service,
    call: Callable[[V2Service], object],
    error: type[TritonError],
    text: str,
) -> None:
    with pytest.raises(error) as raised:
        call(service)
    assert raised.value.message == text


def test_settings_without_changes_are_returned(service: V2Service) -> None:
    assert service.update_trace_settings([], "model") == service.trace_settings()
    assert service.update_log_settings([]).values == {
        "log_file": "a.log",
        "log_info": False,
        "log_warning": True,
        "log_error": True,
        "log_verbose_level": 2,
        "log_format": "ISO8601",
    }


async def test_index_passes_the_filter_on(service: V2Service) -> None:
    assert len(await service.repository_index(ready_only=False)) == 3
    assert len(await service.repository_index(ready_only=True)) == 1


async def test_load_waits_for_its_end(repository: FakeRepository, service: V2Service) -> None:
    loading = asyncio.ensure_future(service.load_model("model", {"config": "{}"}))
    await asyncio.sleep(0)
    assert not loading.done()
    repository.job.set_result(None)
    await loading
    assert repository.calls == [("load", "model", {"config": "{}"})]


async def test_failure_of_a_load_reaches_the_caller(
    repository: FakeRepository, service: V2Service
) -> None:
    repository.job.set_exception(InternalError("no"))
    with pytest.raises(InternalError, match=r"^no$"):
        await service.unload_model("model", {})


async def test_caller_that_leaves_does_not_stop_a_load(
    repository: FakeRepository, service: V2Service
) -> None:
    loading = asyncio.ensure_future(service.load_model("model", {}))
    await asyncio.sleep(0)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert not repository.job.cancelled()


async def test_load_that_is_dropped_on_exit_is_unavailable(
    repository: FakeRepository, service: V2Service
) -> None:
    loading = asyncio.ensure_future(service.load_model("model", {}))
    await asyncio.sleep(0)
    repository.job.cancel()
    with pytest.raises(UnavailableError, match=r"^Server exiting$"):
        await loading
