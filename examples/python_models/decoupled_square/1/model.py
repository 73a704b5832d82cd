"""Answers a request for n with n responses, each of which says n: none at all for zero."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """A decoupled model that answers before `execute` returns."""

    def execute(self, requests):
        """Send all responses of each request, then say that there are no more."""
        for request in requests:
            count = int(pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()[0])
            sender = request.get_response_sender()
            for _ in range(count):
                output = pb_utils.Tensor("OUT", np.array([count], np.int32))
                sender.send(pb_utils.InferenceResponse([output]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
