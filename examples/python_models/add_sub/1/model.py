"""The sum and the difference of two inputs: the smallest model that is of any use."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Answers each request of a batch on its own."""

    def execute(self, requests):
        """Return one response for each request, in the same order."""
        responses = []
        for request in requests:
            first = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            second = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
            outputs = [
                pb_utils.Tensor("OUTPUT0", first + second),
                pb_utils.Tensor("OUTPUT1", first - second),
            ]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
