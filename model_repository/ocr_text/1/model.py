"""Connectionist temporal classification, decoded greedily: the likeliest of each place.

A character that stays for several places is one; a blank parts it from the same one again.
"""

import json
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

_BLANK = 0


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args):
        """Read the alphabet beside this file; blank comes before it and the space after it."""
        del args
        characters = json.loads(Path(__file__).with_name("alphabet.json").read_text())
        self._alphabet = ["", *characters, " "]

    def execute(self, requests):
        """Answer each request by itself."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        likelihoods = pb_utils.get_input_tensor_by_name(request, "CHARACTERS").as_numpy()
        boxes = pb_utils.get_input_tensor_by_name(request, "BOX").as_numpy()
        lines = [self._read(line) for line in likelihoods[: len(boxes)]]
        texts = np.array([text.encode() for text, _ in lines], np.object_)
        scores = np.array([score for _, score in lines], np.float32)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("TEXT", texts), pb_utils.Tensor("SCORE", scores)]
        )

    def _read(self, line):
        """Return the text of [places, characters], and the mean likelihood of its characters."""
        likeliest = line.argmax(axis=1)
        begins = np.diff(likeliest, prepend=_BLANK) != 0
        (places,) = np.nonzero(begins & (likeliest != _BLANK))
        characters = likeliest[places]
        score = line[places, characters].mean() if len(places) else 0.0
        return "".join(self._alphabet[character] for character in characters), score
