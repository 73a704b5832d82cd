"""Lines of text cut out of an image: upright boxes around what the detector's map connects."""

import math

import numpy as np
import triton_python_backend_utils as pb_utils
from scipy import ndimage

_PIXEL_MIN = 0.3  # likelihood from which a pixel belongs to text
_LINE_MIN = 0.5  # mean likelihood from which what is connected is a line
_SIDE_MIN = 3  # pixels; what is smaller is a speck
_GROWTH = 1.6  # the map shows the core of a line; the margin is this times area by girth
_LINES_MAX = 64  # of an image; with the widest this bounds the recognizer's memory
_HEIGHT = 48  # that the recognizer reads
_WIDTH_MIN = 320
_WIDTH_MAX = 1600  # a longer line is squeezed


def boxes_of(text_map, height, width):
    """Return left, top, right and bottom of each line inside the image, in reading order."""
    regions, _ = ndimage.label(ndimage.binary_dilation(text_map > _PIXEL_MIN))
    boxes = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(regions), start=1):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        inside = regions[rows, columns] == number
        if min(tall, wide) < _SIDE_MIN or text_map[rows, columns][inside].mean() < _LINE_MIN:
            continue
        margin = math.ceil(_GROWTH * tall * wide / (2 * (tall + wide)))
        left, top = max(columns.start - margin, 0), max(rows.start - margin, 0)
        right, bottom = min(columns.stop + margin, width), min(rows.stop + margin, height)
        if left < right and top < bottom:
            boxes.append((left, top, right, bottom))
    return in_reading_order(boxes)


def in_reading_order(boxes):
    """Return boxes row by row; a box is of the row whose first box its middle stands beside."""
    rows = []
    for box in sorted(boxes, key=lambda box: box[1]):
        middle = (box[1] + box[3]) / 2
        row = next((row for row in rows if row[0][1] <= middle < row[0][3]), None)
        if row is None:
            rows.append([box])
        else:
            row.append(box)
    return [box for row in rows for box in sorted(row)]


def scaled(planes, height, width):
    """Return planes [3, height, width], each pixel between its two nearest on either axis."""
    for axis, size in ((1, height), (2, width)):
        last = planes.shape[axis] - 1
        places = np.clip((np.arange(size) + 0.5) * (last + 1) / size - 0.5, 0, last)
        before = places.astype(np.intp)
        weights = (places - before).astype(np.float32).reshape((-1, 1) if axis == 1 else -1)
        after = np.minimum(before + 1, last)
        planes = planes.take(before, axis) * (1 - weights) + planes.take(after, axis) * weights
    return planes


def lines_of(pixels, boxes):
    """Return float32 [lines, 3, 48, width]: one blank line at least, grey after the shorter."""
    lines = []
    for left, top, right, bottom in boxes:
        width = min(math.ceil(_HEIGHT * (right - left) / (bottom - top)), _WIDTH_MAX)
        lines.append(scaled(pixels[:, top:bottom, left:right], _HEIGHT, width))
    widest = max((line.shape[2] for line in lines), default=0)
    batch = np.zeros((max(len(lines), 1), 3, _HEIGHT, max(widest, _WIDTH_MIN)), np.float32)
    for row, line in enumerate(lines):
        batch[row, :, :, : line.shape[2]] = line
    return batch


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def execute(self, requests):
        """Answer each request by itself."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        pixels, size, text_map = (
            pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in ("PIXELS", "SIZE", "TEXT_MAP")
        )
        boxes = boxes_of(text_map[0, 0], *size.tolist())
        if len(boxes) > _LINES_MAX:
            text = f"expected at most {_LINES_MAX} lines of text in an image, found {len(boxes)}"
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(text))
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("LINE", lines_of(pixels[0], boxes)),
                pb_utils.Tensor("BOX", np.array(boxes, np.int32).reshape(-1, 4)),
            ]
        )
