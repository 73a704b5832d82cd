"""Asks another model of the server, named in the request, and passes on what it answers."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Waits for the other model: while it does, this instance does nothing else."""

    def execute(self, requests):
        """Return what the other model answers to each request, an error too."""
        return [self._ask(request) for request in requests]

    def _ask(self, request):
        name = pb_utils.get_input_tensor_by_name(request, "MODEL_NAME").as_numpy()[0]
        question = pb_utils.InferenceRequest(
            model_name=name.decode(),
            requested_output_names=["OUTPUT0", "OUTPUT1"],
            inputs=[
                pb_utils.get_input_tensor_by_name(request, "INPUT0"),
                pb_utils.get_input_tensor_by_name(request, "INPUT1"),
            ],
        )
        answer = question.exec()
        if answer.has_error():
            return pb_utils.InferenceResponse(error=answer.error())
        return pb_utils.InferenceResponse(output_tensors=answer.output_tensors())
