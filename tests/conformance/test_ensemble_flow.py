"""Goal: a decoupled model that answers faster than the step after it runs is slowed down.

Method: an ensemble of a model that answers as fast as it can and notes how far it is, and one that
tells with each answer how far the first was.
"""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.conformance.ensembles import ensemble_config, step
from tests.conformance.model_files import write_config
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_ANSWERS = 1500
_ELEMENTS = 16 << 10  # 64 KiB each
# A sender waits while the server has 16 MiB of its responses, and one more is on its way.
_LEAD_MAX = (16 << 20) // (4 * _ELEMENTS) + 2
_FAST_CONFIG = """
    backend: "python"
    model_transaction_policy { decoupled: true }
    input [ { name: "COUNT" data_type: TYPE_INT32 dims: [ 1 ] } ]
    output [ { name: "PART" data_type: TYPE_FP32 dims: [ -1 ] } ]
"""
_FAST = f"""
    import os
    from pathlib import Path
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.sent = Path(args["model_repository"], "sent")

        def execute(self, requests):
            with open(self.sent, "wb", buffering=0) as sent:
                for request in requests:
                    self.answer(request, sent.fileno())

        def answer(self, request, sent):
            sender = request.get_response_sender()
            for index in range(int(request.inputs()[0].as_numpy()[0])):
                part = np.full({_ELEMENTS}, index, np.float32)
                os.pwrite(sent, b"%8d" % (index + 1), 0)
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("PART", part)]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
_SLOW_CONFIG = """
    backend: "python"
    input [ { name: "PART" data_type: TYPE_FP32 dims: [ -1 ] } ]
    output [ { name: "LEAD" data_type: TYPE_INT32 dims: [ 2 ] } ]
"""
_SLOW = """
    from pathlib import Path
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.sent = Path(args["model_repository"]).parent / "fast" / "sent"

        def execute(self, requests):
            return [self.lead(request) for request in requests]

        def lead(self, request):
            part = request.inputs()[0].as_numpy()
            np.sort(part[::-1])  # some work, so that the other is faster
            numbers = np.array([int(part[0]), int(self.sent.read_text())], np.int32)
            return pb_utils.InferenceResponse([pb_utils.Tensor("LEAD", numbers)])
"""


def test_a_fast_step_is_not_far_ahead_of_a_slow_one(frontend: str, tmp_path: Path) -> None:
    _write_models(tmp_path, _SLOW)
    leads = _leads(tmp_path, frontend)
    assert [index for index, _ in leads] == list(range(_ANSWERS))
    assert max(sent - index for index, sent in leads) <= _LEAD_MAX


def test_a_fast_step_ends_when_the_slow_one_has_failed(frontend: str, tmp_path: Path) -> None:
    _write_models(tmp_path, _SLOW.replace("part = ", 'raise ValueError("too slow")\n            '))
    with pytest.raises(InferenceServerException, match="too slow"):
        _leads(tmp_path, frontend)


def _write_models(repository: Path, slow: str) -> None:
    write_python_model(repository, "fast", _FAST, _FAST_CONFIG)
    write_python_model(repository, "slow", slow, _SLOW_CONFIG)
    steps = [
        step("fast", {"COUNT": "COUNT"}, {"PART": "part"}),
        step("slow", {"PART": "part"}, {"LEAD": "LEAD"}),
    ]
    config = ensemble_config(
        ["COUNT INT32 [ 1 ]"],
        ["LEAD INT32 [ 2 ]"],
        steps,
        max_batch_size=0,
        extra="max_inflight_requests: 1",
    )
    write_config(repository, "both", config)


def _leads(repository: Path, frontend: str) -> list[tuple[int, int]]:
    answers: queue.Queue[Any] = queue.Queue()
    with (
        RunningServer(repository, ServerOptions(frontend=frontend)) as server,
        grpcclient.InferenceServerClient(server.grpc_address) as client,
    ):
        client.start_stream(lambda result, error: answers.put(error or result))
        count = grpcclient.InferInput("COUNT", [1], "INT32")
        count.set_data_from_numpy(np.array([_ANSWERS], np.int32))
        client.async_stream_infer("both", [count])
        leads = []
        for _ in range(_ANSWERS):
            answer = answers.get()
            if isinstance(answer, InferenceServerException):
                raise answer
            leads.append(answer.as_numpy("LEAD").tolist())
        client.stop_stream()
    return [(index, sent) for index, sent in leads]
