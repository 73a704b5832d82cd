"""A decoupled Python model that does what each request says, word for word.

The words of SCRIPT: `say:<text>` answers once, `last:<text>` answers and ends in one, `fail:<text>`
answers with an error, `hold` goes on when another request says `release`, `flood:<bytes>` answers
until it is cancelled, `until_cancelled` waits for that, `await_cancelled` waits until some request
has seen that it was, `await_held_back` until some sender waits for its client. A request that has
said its last ends.
"""

from __future__ import annotations

from pathlib import Path

from tests.conformance.model_files import write_config

NAME = "scripted"
_CONFIG = """
    backend: "python"
    max_batch_size: 0
    model_transaction_policy { decoupled: true }
    input [ { name: "SCRIPT" data_type: TYPE_STRING dims: [ -1 ] } ]
    output [ { name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] } ]
"""
_MODEL = """
import sys
import threading

import numpy as np
import triton_python_backend_utils as pb_utils

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    def initialize(self, args):
        self.released = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)

    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.run, args=(request,), daemon=True).start()

    def run(self, request):
        sender = request.get_response_sender()
        for word in pb_utils.get_input_tensor_by_name(request, "SCRIPT").as_numpy():
            verb, _, text = word.decode().partition(":")
            if getattr(self, verb)(sender, text):
                return
        sender.send(flags=FINAL)

    def answer(self, text, error=None):
        tensor = pb_utils.Tensor("TEXT", np.array([text.encode()], np.object_))
        return pb_utils.InferenceResponse([tensor] if error is None else [], error)

    def say(self, sender, text):
        sender.send(self.answer(text))

    def last(self, sender, text):
        sender.send(self.answer(text), FINAL)
        return True

    def fail(self, sender, text):
        sender.send(self.answer("", pb_utils.TritonError(text)))

    def hold(self, sender, text):
        self.released.acquire()

    def release(self, sender, text):
        self.released.release()

    def flood(self, sender, text):
        answer = "x" * int(text)
        while not sender.is_cancelled():
            sender.send(self.answer(answer))
        self.cancelled.release()

    def until_cancelled(self, sender, text):
        pause = threading.Event()
        while not sender.is_cancelled():
            pause.wait(0.002)
        self.cancelled.release()

    def await_cancelled(self, sender, text):
        self.cancelled.acquire()

    def await_held_back(self, sender, text):
        pause = threading.Event()
        while not any(map(is_held_back, sys._current_frames().values())):
            pause.wait(0.002)


def is_held_back(frame):
    callers = []
    while frame:
        callers.append((frame.f_code.co_filename.rpartition("/")[2], frame.f_code.co_name))
        frame = frame.f_back
    return ("backlog.py", "wait") in callers and ("threading.py", "wait") in callers
"""


def write_scripted_model(repository: Path) -> None:
    """Write the model, called NAME."""
    directory = write_config(repository, NAME, _CONFIG)
    (directory / "1" / "model.py").write_text(_MODEL)
