"""Makes of a picture of any size what an image classifier takes: 32 x 32, channels first, whitened.

`SIZE`, `MEAN` and `DEVIATION` are parameters of the model's config.
"""

import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Needs nothing but numpy."""

    def initialize(self, args):
        """Read the parameters, and the type that the config gives the output."""
        config = json.loads(args["model_config"])
        parameters = config["parameters"]
        self._size = int(parameters["SIZE"]["string_value"])
        self._mean = np.array(json.loads(parameters["MEAN"]["string_value"]), np.float32)
        self._deviation = np.array(json.loads(parameters["DEVIATION"]["string_value"]), np.float32)
        output = pb_utils.get_output_config_by_name(config, "PIXELS")
        self._type = pb_utils.triton_string_to_numpy(output["data_type"])

    def execute(self, requests):
        """Return the pixels of each request's picture."""
        responses = []
        for request in requests:
            picture = pb_utils.get_input_tensor_by_name(request, "PICTURE").as_numpy()
            if picture.shape[-1] != 3:
                error = pb_utils.TritonError(
                    f"a picture has 3 channels, not {picture.shape[-1]}",
                    pb_utils.TritonError.INVALID_ARG,
                )
                responses.append(pb_utils.InferenceResponse(error=error))
                continue
            pixels = self._whitened(self._resized(picture))
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("PIXELS", pixels)]))
        return responses

    def _resized(self, picture):
        """Take the nearest pixel of the picture for each pixel of the result."""
        rows, columns = (np.arange(self._size) * side // self._size for side in picture.shape[:2])
        return picture[rows][:, columns]

    def _whitened(self, picture):
        values = (picture / np.float32(255) - self._mean) / self._deviation
        return np.ascontiguousarray(values.transpose(2, 0, 1).astype(self._type))
