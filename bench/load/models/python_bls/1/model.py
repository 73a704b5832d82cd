"""Asks another model, and sends its answer on."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """A call to identity_fp32 for each request."""

    def execute(self, requests):
        """Answer each request with what the other model answers."""
        responses = []
        for request in requests:
            call = pb_utils.InferenceRequest(
                model_name="identity_fp32",
                requested_output_names=["OUTPUT0"],
                inputs=[pb_utils.get_input_tensor_by_name(request, "INPUT0")],
            )
            answer = call.exec()
            if answer.has_error():
                raise pb_utils.TritonModelException(answer.error().message())
            output = pb_utils.get_output_tensor_by_name(answer, "OUTPUT0")
            responses.append(pb_utils.InferenceResponse(output_tensors=[output]))
        return responses
