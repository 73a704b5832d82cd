"""Says what is in a file: makes features of its content and has the model `magika` look at them."""

import os

import numpy as np
import triton_python_backend_utils as pb_utils

BLOCK = 4096
EDGE = 1024
PADDING = 256


def features(content):
    """Return the first and the last 1024 bytes, without the white space around the content."""
    beginning = content[:BLOCK].lstrip()[:EDGE]
    end = content[-BLOCK:].rstrip()[-EDGE:]
    row = np.full(2 * EDGE, PADDING, np.int32)
    row[: len(beginning)] = list(beginning)
    row[2 * EDGE - len(end) :] = list(end)
    return row


class TritonPythonModel:
    """Asks `magika` once for all the requests of a batch."""

    def initialize(self, args):
        """Read the names of the classes."""
        with open(os.path.join(args["model_repository"], "labels.txt"), "rb") as file:
            self._labels = np.array(file.read().splitlines(), np.object_)

    def execute(self, requests):
        """Return the likeliest label of each file, and how likely it is."""
        contents = [request.inputs()[0].as_numpy() for request in requests]
        rows = [features(content) for part in contents for content in part.reshape(-1)]
        answer = pb_utils.InferenceRequest(
            model_name="magika",
            requested_output_names=["target_label"],
            inputs=[pb_utils.Tensor("bytes", np.stack(rows))],
        ).exec()
        if answer.has_error():
            return [pb_utils.InferenceResponse(error=answer.error()) for _ in requests]
        scores = pb_utils.get_output_tensor_by_name(answer, "target_label").as_numpy()
        ends = np.cumsum([len(part) for part in contents])[:-1]
        return [self._response(part) for part in np.split(scores, ends)]

    def _response(self, scores):
        best = scores.argmax(axis=1, keepdims=True)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("LABEL", self._labels[best]),
                pb_utils.Tensor("SCORE", np.take_along_axis(scores, best, axis=1)),
            ]
        )
