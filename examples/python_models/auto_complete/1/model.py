"""A model without a config.pbtxt: it says itself what it takes and gives."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """The sum and the difference of two inputs."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config):
        """Add to the config what is not in it yet."""
        for name in ("INPUT0", "INPUT1"):
            tensor = {"name": name, "data_type": "TYPE_FP32", "dims": [4]}
            auto_complete_model_config.add_input(tensor)
        for name in ("OUTPUT0", "OUTPUT1"):
            tensor = {"name": name, "data_type": "TYPE_FP32", "dims": [4]}
            auto_complete_model_config.add_output(tensor)
        auto_complete_model_config.set_max_batch_size(8)
        auto_complete_model_config.set_dynamic_batching()
        return auto_complete_model_config

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
