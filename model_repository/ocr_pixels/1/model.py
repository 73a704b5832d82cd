"""An image as PP-OCR's networks were trained on: planes of blue, green and red from -1 to 1."""

import numpy as np
import triton_python_backend_utils as pb_utils

_SIDE_MAX = 2048  # pixels; the detector's time grows with the area
_STRIDE = 32  # the detector halves the sides five times


def planes_of(image):
    """Return float32 [1, 3, height, width]; the last row and column fill up whole strides."""
    padding = [(0, -side % _STRIDE) for side in image.shape[:2]]
    padded = np.pad(image, (*padding, (0, 0)), mode="edge")
    planes = padded[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(planes[np.newaxis])


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def execute(self, requests):
        """Answer each request by itself."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        image = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        height, width = image.shape[:2]
        if not (1 <= height <= _SIDE_MAX and 1 <= width <= _SIDE_MAX):
            text = (
                f"IMAGE: expected 1 to {_SIDE_MAX} pixels a side, "
                f"got height {height} and width {width}"
            )
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(text))
        size = np.array([height, width], np.int32)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("PIXELS", planes_of(image)), pb_utils.Tensor("SIZE", size)]
        )
