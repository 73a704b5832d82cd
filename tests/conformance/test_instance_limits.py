"""Goal: instances wait for the resources of their config, and run where their host policy says.

Method: Python models that tell who runs beside them, and the affinity that the kernel reports.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import HttpClient
from tests.conformance.conftest import connect
from tests.conformance.model_files import execute_delay, identity_config, write_config
from tests.conformance.python_models import (
    IDENTITY,
    IDENTITY_CONFIG,
    workers_of,
    write_python_model,
)
from tests.conformance.running_server import RunningServer, ServerOptions, server_environment

_REQUESTS = 12
_SEQUENCES, _STEPS = 8, 5


def _limited(count: int, units: int, priority: int = 1) -> str:
    limiter = f'resources {{ name: "R1" count: {units} }} priority: {priority}'
    return f"instance_group {{ count: {count} kind: KIND_CPU rate_limiter {{ {limiter} }} }}"


def _alone_config(marker: Path) -> str:
    parameter = f'parameters {{ key: "marker" value {{ string_value: "{marker}" }} }}'
    return f"{IDENTITY_CONFIG}\n{_limited(2, 2)}\n{parameter}"


# Fails where another instance of any model runs at the same time: both make the same directory.
_ALONE = """
    import json
    import os

    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            config = json.loads(args["model_config"])
            self.marker = config["parameters"]["marker"]["string_value"]

        def execute(self, requests):
            os.mkdir(self.marker)
            answers = [
                pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", r.inputs()[0].as_numpy())])
                for r in requests
            ]
            os.rmdir(self.marker)
            return answers
"""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_instances_that_share_a_resource_never_run_together(
    frontend: str, protocol: str, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    for name in ("one", "two"):
        write_python_model(repository, name, _ALONE, _alone_config(tmp_path / "running"))
    # Two units are needed and three are there: one instance at a time, over both models.
    arguments = ["--rate-limit=execution_count", "--rate-limit-resource=R1:3", "--log-verbose=1"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:

        def send(number: int) -> None:
            data = np.full((1, 4), number, np.float32)
            with connect(protocol, server) as client:
                result = client.infer("one" if number % 2 else "two", {"INPUT0": data})
            np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)

        with ThreadPoolExecutor(_REQUESTS) as pool:
            list(pool.map(send, range(_REQUESTS)))
        server.wait_for(r"Resource: R1\t Count: 3")
        with connect(protocol, server) as client:
            for name in ("one", "two"):
                (stats,) = client.statistics(name)
                assert stats["inference_stats"]["success"]["count"] == _REQUESTS // 2
                assert stats["inference_stats"]["fail"]["count"] == 0


_SUMMING_CONFIG = """
    backend: "python"
    max_batch_size: 2
    input [ {{ name: "INPUT0" data_type: TYPE_FP32 dims: [ 1 ] }} ]
    output [ {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] }} ]
    sequence_batching {{
      {strategy}
      control_input [ {{
        name: "ID"
        control [ {{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 }} ]
      }} ]
    }}
    {limited}
    parameters {{ key: "marker" value {{ string_value: "{marker}" }} }}
"""
# As _ALONE, and answers with the sum of what its sequence has brought.
_SUMMING = """
    import json
    import os

    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            config = json.loads(args["model_config"])
            self.marker = config["parameters"]["marker"]["string_value"]
            self.sums = {}

        def execute(self, requests):
            os.mkdir(self.marker)
            answers = [self.answer(request) for request in requests]
            os.rmdir(self.marker)
            return answers

        def answer(self, request):
            def value(name):
                tensor = pb_utils.get_input_tensor_by_name(request, name)
                return tensor.as_numpy().reshape(-1)[0]

            number = int(value("ID"))
            self.sums[number] = self.sums.get(number, 0) + value("INPUT0")
            total = np.array([[self.sums[number]]], np.float32)
            return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", total)])
"""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_sequences_stay_whole_where_instances_wait_for_resources(
    frontend: str, protocol: str, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    strategies = {"direct": "direct {}", "oldest": "oldest { max_candidate_sequences: 4 }"}
    for name, strategy in strategies.items():
        config = _SUMMING_CONFIG.format(
            strategy=strategy, limited=_limited(2, 2), marker=tmp_path / "running"
        )
        write_python_model(repository, name, _SUMMING, config)
    arguments = ["--rate-limit=execution_count", "--rate-limit-resource=R1:3"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:

        def run(number: int) -> list[float]:
            sums = []
            with connect(protocol, server) as client:
                for step in range(_STEPS):
                    result = client.infer(
                        "direct" if number % 2 else "oldest",
                        {"INPUT0": np.full((1, 1), number, np.float32)},
                        sequence_id=number,
                        sequence_start=step == 0,
                        sequence_end=step == _STEPS - 1,
                    )
                    sums.append(float(result.as_numpy("OUTPUT0")[0, 0]))
            return sums

        with ThreadPoolExecutor(_SEQUENCES) as pool:
            for number, sums in enumerate(pool.map(run, range(1, _SEQUENCES + 1)), 1):
                assert sums == [number * (step + 1) for step in range(_STEPS)]


def test_a_model_that_could_never_run_fails_to_load_and_counts_follow_loads(
    frontend: str, tmp_path: Path
) -> None:
    write_config(tmp_path, "three", identity_config("FP32", extra=_limited(1, 3)))
    write_config(tmp_path, "four", identity_config("FP32", extra=_limited(1, 4)))
    arguments = ["--rate-limit=execution_count", "--model-control-mode=explicit"]
    arguments += ["--rate-limit-resource=R1:3", "--load-model=three"]
    with (
        RunningServer(tmp_path, ServerOptions(arguments, frontend=frontend)) as server,
        HttpClient(server.http_address) as client,
    ):
        with pytest.raises(InferenceServerException) as failure:
            client.raw.load_model("four")
        assert (
            'Resource count for "R1" is limited to 3 which will prevent scheduling of one or '
            "more model instances, the minimum required count is 4"
        ) in str(failure.value)
        client.infer("three", {"INPUT0": np.ones((1, 4), np.float32)})
        client.raw.unload_model("three")


def test_without_the_limiter_resources_are_not_looked_at(frontend: str, tmp_path: Path) -> None:
    slow = f"{_limited(2, 1)} {execute_delay(1)}"
    write_config(tmp_path, "free", identity_config("FP32", extra=slow))
    arguments = ["--rate-limit=off", "--rate-limit-resource=R1:0"]
    with (
        RunningServer(tmp_path, ServerOptions(arguments, frontend=frontend)) as server,
        HttpClient(server.http_address) as client,
    ):
        client.infer("free", {"INPUT0": np.ones((1, 4), np.float32)})


def test_instances_run_on_the_processors_of_their_host_policy(
    frontend: str, tmp_path: Path
) -> None:
    core = max(os.sched_getaffinity(0))
    pinned = 'instance_group { host_policy: "near" }'
    write_config(tmp_path, "pinned", identity_config("FP32", extra=pinned))
    write_python_model(tmp_path, "worker", IDENTITY, f"{IDENTITY_CONFIG}\n{pinned}")
    write_config(tmp_path, "anywhere", identity_config("FP32"))
    arguments = ["--host-policy", f"near,cpu-cores={core}"]
    with RunningServer(tmp_path, ServerOptions(arguments, frontend=frontend)) as server:
        tasks = Path("/proc", str(server.pid), "task")
        names = {
            (task / "comm").read_text().strip(): os.sched_getaffinity(int(task.name))
            for task in tasks.iterdir()
        }
        assert names["pinned_0_0"] == {core}
        assert names["anywhere_0"] == os.sched_getaffinity(0)
        (worker,) = workers_of(server)
        assert worker.cpu_affinity() == [core]
        assert os.sched_getaffinity(server.pid) == os.sched_getaffinity(0)


def test_a_host_policy_that_the_machine_cannot_have_stops_the_start(tmp_path: Path) -> None:
    write_config(tmp_path, "any", identity_config("FP32"))
    command = [sys.executable, "-m", "tritonpy", "serve", "--repo", str(tmp_path)]
    ended = subprocess.run(
        [*command, "--host-policy", "cpu,cpu-cores=65000"],
        env=server_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "host policy 'cpu' asks for processors 65000, but this process may use" in ended.stderr
