"""The mean of the vectors of a sentence's tokens, brought to length 1."""

import numpy as np
import triton_python_backend_utils as pb_utils


def pool(vectors, mask):
    """Return one vector for each sentence; tokens that only pad do not count."""
    weights = mask[:, :, np.newaxis].astype(np.float32)
    mean = (vectors * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def execute(self, requests):
        """Answer each request by itself."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        vectors = pb_utils.get_input_tensor_by_name(request, "last_hidden_state").as_numpy()
        mask = pb_utils.get_input_tensor_by_name(request, "attention_mask").as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("EMBEDDING", pool(vectors, mask))])
