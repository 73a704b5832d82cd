"""Sends each element of IN back as a response of its own, after as many milliseconds as DELAY says.

The requests of a batch are answered by threads, so that many streams go on at once; WAIT is how
many milliseconds `execute` itself takes.
"""

import threading
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """A decoupled model that answers after `execute` has returned."""

    def initialize(self, args):
        """Count the threads that answer."""
        self._running = 0
        self._changed = threading.Condition()

    def execute(self, requests):
        """Begin to answer each request; a decoupled model returns nothing."""
        for request in requests:
            with self._changed:
                self._running += 1
            threading.Thread(target=self._repeat, args=(request,), daemon=True).start()
            wait = pb_utils.get_input_tensor_by_name(request, "WAIT").as_numpy()
            time.sleep(int(wait[0]) / 1000)

    def finalize(self):
        """Wait for the threads that still answer."""
        with self._changed:
            self._changed.wait_for(lambda: self._running == 0)

    def _repeat(self, request):
        sender = request.get_response_sender()
        try:
            values = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            delays = pb_utils.get_input_tensor_by_name(request, "DELAY").as_numpy()
            if values.shape != delays.shape:
                text = f"expected IN and DELAY shape to match, got {list(values.shape)} and "
                error = pb_utils.TritonError(text + str(list(delays.shape)))
                sender.send(pb_utils.InferenceResponse(error=error))
                return
            for index, (value, delay) in enumerate(zip(values, delays, strict=True)):
                time.sleep(int(delay) / 1000)
                if sender.is_cancelled():
                    return
                outputs = [
                    pb_utils.Tensor("OUT", np.array([value], np.int32)),
                    pb_utils.Tensor("IDX", np.array([index], np.uint32)),
                ]
                sender.send(pb_utils.InferenceResponse(outputs))
        finally:
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
