"""Sends its input back."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """The least that a model can be."""

    def execute(self, requests):
        """Answer each request with its input."""
        responses = []
        for request in requests:
            array = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            output = pb_utils.Tensor("OUTPUT0", array)
            responses.append(pb_utils.InferenceResponse(output_tensors=[output]))
        return responses
