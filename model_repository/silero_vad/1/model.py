"""Says where in a recording somebody speaks: the network is fed 32 ms at a time, with its state."""

import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

RATE = 16000
CHUNK = 512
CONTEXT = 64  # samples of the chunk before


class TritonPythonModel:
    """Runs ONNX Runtime in the worker itself: a loop over state is awkward as a graph."""

    def initialize(self, args):
        """Load the network, which lies beside this file."""
        directory = os.path.join(args["model_repository"], args["model_version"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.path.join(directory, "silero_vad.onnx"),
            sess_options=options,
            providers=["CPUExecutionProvider"],
        )

    def execute(self, requests):
        """Return the probabilities of each recording."""
        responses = []
        for request in requests:
            audio = pb_utils.get_input_tensor_by_name(request, "AUDIO").as_numpy()
            speech = pb_utils.Tensor("SPEECH", self._probabilities(audio))
            responses.append(pb_utils.InferenceResponse([speech]))
        return responses

    def _probabilities(self, audio):
        count = -(-len(audio) // CHUNK)
        padded = np.zeros(CONTEXT + count * CHUNK, np.float32)
        padded[CONTEXT : CONTEXT + len(audio)] = audio
        state = np.zeros((2, 1, 128), np.float32)
        probabilities = np.zeros(count, np.float32)
        for index in range(count):
            start = index * CHUNK
            feeds = {
                "input": padded[None, start : start + CONTEXT + CHUNK],
                "state": state,
                "sr": np.array(RATE, np.int64),
            }
            output, state = self._session.run(None, feeds)
            probabilities[index] = output[0, 0]
        return probabilities
