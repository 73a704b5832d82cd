"""`python -m bench.in_process`: the in-process API against a bare onnxruntime session loop.

Same model (MiniLM), same batch, one thread each; the two take turns, so that the machine's drift
hits both. Prints the median wall and CPU time per call and the ratio of the medians.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from tritonpy.config.model_config import CoreModelConfig, InstanceSpec, TensorSpec
from tritonpy.core import Core, InferRequest, Log, onnxruntime_library_path

_MODEL = Path(__file__).parents[1] / "model_repository" / "minilm" / "1" / "model.onnx"
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_OUTPUT = "last_hidden_state"
_ROUNDS = 15
_CALLS = 10
_SHAPES = ((1, 16), (8, 32))


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds per call."""

    wall_us: float
    cpu_us: float


async def _cost(call: Callable[[], Awaitable[object]]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(_CALLS):
        await call()
    return Cost(
        (time.perf_counter() - wall) / _CALLS * 1e6, (time.process_time() - cpu) / _CALLS * 1e6
    )


def _config() -> CoreModelConfig:
    return CoreModelConfig(
        name="minilm",
        version=1,
        backend="onnxruntime",
        model_path=str(_MODEL),
        max_batch_size=16,
        inputs=tuple(TensorSpec(name, "INT64", (-1,)) for name in _INPUTS),
        outputs=(TensorSpec(_OUTPUT, "FP32", (-1, 384)),),
        instances=(InstanceSpec("minilm_0", "KIND_CPU", 0, passive=False, host_policy="cpu"),),
        dynamic_batching=None,
        parameters={"intra_op_thread_count": "1"},
        graph_level=None,
        decoupled=False,
    )


def _bare_session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_MODEL, options, providers=["CPUExecutionProvider"])


async def main() -> None:
    """Measure both shapes and print one line for each."""
    core = Core(Log(), onnxruntime_library_path())
    core.publish("minilm", [core.build_model(_config())], [])
    inference = core.inference()
    session = _bare_session()
    for shape in _SHAPES:
        inputs: dict[str, npt.NDArray[np.generic]] = {
            "input_ids": np.full(shape, 2023, np.int64),
            "attention_mask": np.ones(shape, np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
        }

        async def bare(inputs: dict[str, npt.NDArray[np.generic]] = inputs) -> object:
            return session.run([_OUTPUT], inputs)

        async def ours(inputs: dict[str, npt.NDArray[np.generic]] = inputs) -> object:
            return await inference.infer(InferRequest("minilm", inputs))

        rounds = [(await _cost(bare), await _cost(ours)) for _ in range(_ROUNDS)]
        bare_wall = statistics.median(one.wall_us for one, _ in rounds)
        ours_wall = statistics.median(one.wall_us for _, one in rounds)
        bare_cpu = statistics.median(one.cpu_us for one, _ in rounds)
        ours_cpu = statistics.median(one.cpu_us for _, one in rounds)
        print(
            f"minilm {shape[0]}x{shape[1]}: bare session {bare_wall:.0f} us, in process "
            f"{ours_wall:.0f} us (x{ours_wall / bare_wall:.3f}); CPU {bare_cpu:.0f} and "
            f"{ours_cpu:.0f} us (x{ours_cpu / bare_cpu:.3f})"
        )
    inference.close()


if __name__ == "__main__":
    asyncio.run(main())
