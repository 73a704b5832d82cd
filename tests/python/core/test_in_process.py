"""The in-process API over the real core: identity models, numpy in and out.

Method: models are built from plain configs without any repository. What must wait waits for a
response, never for time.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import pytest

from tritonpy.config.lower_dynamic_batching import DynamicBatchingSpec
from tritonpy.config.model_config import CoreModelConfig, InstanceSpec, TensorSpec
from tritonpy.core import Core, Inference, InferRequest, Log, LogSettings
from tritonpy.errors import (
    CancelledError,
    InvalidArgError,
    NotFoundError,
    TritonError,
    UnavailableError,
)

_WIRE_TYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


def _config(
    name: str,
    data_type: str,
    *,
    version: int = 1,
    delay_until_queued: int = 0,
    parameters: dict[str, str] | None = None,
) -> CoreModelConfig:
    return CoreModelConfig(
        name=name,
        version=version,
        backend="identity",
        model_path="",
        max_batch_size=8,
        inputs=(TensorSpec("INPUT0", data_type, (-1,)),),
        outputs=(TensorSpec("OUTPUT0", data_type, (-1,)),),
        instances=(InstanceSpec(f"{name}_0", "KIND_CPU", 0, passive=False, host_policy="cpu"),),
        dynamic_batching=DynamicBatchingSpec((8,), 0, preserve_ordering=False),
        parameters=parameters or {},
        graph_level=None,
        decoupled=False,
        delay_until_queued=delay_until_queued,
    )


def _quiet_log() -> Log:
    log = Log()
    log.configure(LogSettings(info=False, warning=False))
    return log


@pytest.fixture
def core() -> Core:
    return Core(_quiet_log(), "")


@pytest.fixture
async def inference(core: Core) -> AsyncIterator[Inference]:
    opened = core.inference()
    yield opened
    opened.close()


def _serve(core: Core, config: CoreModelConfig) -> None:
    core.publish(config.name, [core.build_model(config)], [])


async def _echo(
    inference: Inference, model: str, array: npt.NDArray[np.generic]
) -> npt.NDArray[np.generic]:
    result = await inference.infer(InferRequest(model, {"INPUT0": array}))
    return result.outputs["OUTPUT0"]


@pytest.mark.parametrize("data_type", _WIRE_TYPES)
async def test_every_numeric_type_comes_back(
    core: Core, inference: Inference, data_type: str
) -> None:
    _serve(core, _config("echo", data_type))
    array: npt.NDArray[np.generic] = np.arange(6).reshape(2, 3).astype(_WIRE_TYPES[data_type])
    answer = await _echo(inference, "echo", array)
    assert answer.dtype == array.dtype
    np.testing.assert_array_equal(answer, array)


async def test_strings_come_back_as_bytes(core: Core, inference: Inference) -> None:
    _serve(core, _config("echo", "BYTES"))
    array: npt.NDArray[np.object_] = np.array([["", "naïve"], ["a\0b", "x" * 1000]], dtype=object)
    answer = await _echo(inference, "echo", array)
    assert answer.tolist() == [[text.encode() for text in row] for row in array.tolist()]


async def test_zero_elements_come_back(core: Core, inference: Inference) -> None:
    _serve(core, _config("echo", "FP32"))
    answer = await _echo(inference, "echo", np.empty((2, 0), np.float32))
    assert answer.shape == (2, 0)


async def test_transposed_input_is_sent_in_row_major_order(
    core: Core, inference: Inference
) -> None:
    _serve(core, _config("echo", "INT32"))
    array = np.arange(6, dtype=np.int32).reshape(3, 2).T
    np.testing.assert_array_equal(await _echo(inference, "echo", array), array)


async def test_output_outlives_model_inference_and_core() -> None:
    core = Core(_quiet_log(), "")
    inference = core.inference()
    _serve(core, _config("echo", "INT64"))
    pair = [np.arange(start, start + 1000)[None] for start in (0, 5000)]
    answers = await asyncio.gather(*(_echo(inference, "echo", array) for array in pair))
    core.publish("echo", [], [1])
    inference.close()
    del core, inference
    gc.collect()
    for answer, array in zip(answers, pair, strict=True):
        np.testing.assert_array_equal(answer, array)


async def test_queued_requests_share_one_execution(core: Core, inference: Inference) -> None:
    _serve(core, _config("echo", "INT32", delay_until_queued=8))
    arrays = [np.full((1, 2), number, np.int32) for number in range(8)]
    answers = await asyncio.gather(*(_echo(inference, "echo", array) for array in arrays))
    for answer, array in zip(answers, arrays, strict=True):
        np.testing.assert_array_equal(answer, array)
    statistics = core.statistics("echo", 1)
    assert (statistics.inference_count, statistics.execution_count) == (8, 1)
    assert [batch.batch_size for batch in statistics.batch_stats] == [8]


async def test_cancelled_task_cancels_its_request(core: Core, inference: Inference) -> None:
    _serve(core, _config("echo", "INT32", delay_until_queued=2))
    array = np.ones((1, 2), np.int32)
    first = asyncio.ensure_future(_echo(inference, "echo", array))
    await asyncio.sleep(0)  # lets the task submit; it is held until a second request comes
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    np.testing.assert_array_equal(await _echo(inference, "echo", array), array)
    statistics = core.statistics("echo", 1)
    assert statistics.failures_by_reason["CANCELED"] == 1
    assert statistics.inference_count == 1


@pytest.mark.parametrize(
    ("model", "inputs", "error", "text"),
    [
        ("other", {}, NotFoundError, "Request for unknown model: 'other' is not found"),
        ("echo", {}, InvalidArgError, "expected 1 inputs but got 0 inputs for model 'echo'"),
        (
            "echo",
            {"INPUT0": np.ones((1, 2), np.int64)},
            InvalidArgError,
            "inference input 'INPUT0' data-type is 'INT64', but model 'echo' expects 'INT32'",
        ),
        (
            "echo",
            {"INPUT0": np.ones((9, 2), np.int32)},
            InvalidArgError,
            "inference request batch-size must be <= 8 for 'echo'",
        ),
        (
            "echo",
            {"INPUT0": np.ones((1, 2), np.complex64)},
            InvalidArgError,
            "input 'INPUT0' has unknown data-type 'c8'",
        ),
    ],
)
async def test_bad_request_names_what_was_wrong(
    core: Core,
    inference: Inference,
    model: str,
    inputs: dict[str, npt.NDArray[np.generic]],
    error: type[TritonError],
    text: str,
) -> None:
    _serve(core, _config("echo", "INT32"))
    with pytest.raises(error) as raised:
        await inference.infer(InferRequest(model, inputs))
    assert text in raised.value.message


async def test_newest_version_answers_until_it_is_retired(core: Core, inference: Inference) -> None:
    for version in (1, 2):
        _serve(core, _config("echo", "INT32", version=version))
    request = InferRequest("echo", {"INPUT0": np.ones((1, 1), np.int32)})
    assert (await inference.infer(request)).model_version == 2
    core.publish("echo", [], [2])
    assert (await inference.infer(request)).model_version == 1
    with pytest.raises(UnavailableError, match="version 2 is not at ready state"):
        core.resolve_version("echo", 2)


async def test_drained_core_refuses_new_requests(core: Core, inference: Inference) -> None:
    _serve(core, _config("echo", "INT32"))
    assert core.drain(timeout_s=60)
    assert core.in_flight() == []
    with pytest.raises(UnavailableError, match="Server is stopping"):
        await _echo(inference, "echo", np.ones((1, 1), np.int32))


async def test_closed_inference_answers_what_it_took(core: Core) -> None:
    inference = core.inference()
    _serve(core, _config("echo", "INT32", parameters={"execute_delay_ms": "20"}))
    array = np.ones((1, 2), np.int32)
    task = asyncio.ensure_future(_echo(inference, "echo", array))
    await asyncio.sleep(0)
    inference.close()
    np.testing.assert_array_equal(await task, array)
    with pytest.raises(UnavailableError, match="closed"):
        await _echo(inference, "echo", array)


def test_error_classes_follow_the_codes_of_the_core() -> None:
    assert CancelledError("").message == ""
    with pytest.raises(InvalidArgError, match="version should be an integral value > 0"):
        Core(_quiet_log(), "").requested_version("any", "0")


def test_published_model_cannot_be_published_again(core: Core) -> None:
    built = core.build_model(_config("echo", "INT32"))
    core.publish("echo", [built], [])
    with pytest.raises(ValueError, match="already published"):
        core.publish("echo", [built], [])
