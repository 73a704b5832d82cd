"""Goal: a worker that dies ends the sequences that it remembers, clearly, and no others.

Method: a Python model of two instances that counts in memory and dies when it is told to.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.python_models import wait_until_ready, write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_CONFIG = """
    backend: "python"
    max_batch_size: 1
    input [ { name: "STEP" data_type: TYPE_INT32 dims: [ 1 ] } ]
    output [ { name: "COUNT" data_type: TYPE_INT32 dims: [ 1 ] } ]
    sequence_batching { max_sequence_idle_microseconds: 60000000 direct { } }
    instance_group [ { count: 2 kind: KIND_CPU } ]
"""
_MORTAL = """
    import os
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.counts = {}

        def execute(self, requests):
            return [self.count(request) for request in requests]

        def count(self, request):
            step = request.inputs()[0].as_numpy()
            if step[0, 0] < 0:
                os._exit(1)
            if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
                self.counts[request.correlation_id()] = 0
            self.counts[request.correlation_id()] += step
            return pb_utils.InferenceResponse(
                [pb_utils.Tensor("COUNT", self.counts[request.correlation_id()])]
            )
"""
_LOST = "Stub process 'mortal_0_0' is not healthy."
_MISSING_START = (
    "inference request for sequence 1 to model 'mortal' must specify the START flag on the first "
    "request of the sequence"
)


def _count(client: Client, sequence_id: int, step: int = 1, *, start: bool = False) -> int:
    steps = {"STEP": np.array([[step]], np.int32)}
    result = client.infer("mortal", steps, sequence_id=sequence_id, sequence_start=start)
    return int(result.as_numpy("COUNT").item())


def _error_of(client: Client, step: int = 1) -> str:
    with pytest.raises(InferenceServerException) as raised:
        _count(client, 1, step)
    return str(raised.value.message())


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_death_ends_the_sequences_of_its_worker_alone(
    frontend: str, tmp_path: Path, protocol: str
) -> None:
    write_python_model(tmp_path, "mortal", _MORTAL, _CONFIG)
    options = ServerOptions(frontend=frontend, arguments=("--exit-timeout-secs", "0"))
    with RunningServer(tmp_path, options) as server, connect(protocol, server) as client:
        for sequence_id in (1, 2):  # one for each instance
            assert _count(client, sequence_id, start=True) == 1
        assert _error_of(client, step=-1) == _LOST
        while (error := _error_of(client)) != _MISSING_START:
            assert error == _LOST  # what comes before the instance has looked
        assert _count(client, 2) == 2
        wait_until_ready(client, "mortal")
        assert _count(client, 1, start=True) == 1
        assert _count(client, 1) == 2
        assert _count(client, 2) == 3
