"""Serves a model of scikit-learn as it was pickled: whatever has `predict_proba` would do."""

import os
import pickle

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Predicts for a whole batch at once: a forest takes as long for one wine as for ten."""

    def initialize(self, args):
        """Load the forest, which lies beside this file."""
        directory = os.path.join(args["model_repository"], args["model_version"])
        with open(os.path.join(directory, "forest.pickle"), "rb") as file:
            self._forest = pickle.load(file)

    def execute(self, requests):
        """Return the likeliest cultivar and the probabilities of each wine."""
        parts = [request.inputs()[0].as_numpy() for request in requests]
        probabilities = self._forest.predict_proba(np.concatenate(parts)).astype(np.float32)
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return [self._response(part) for part in np.split(probabilities, ends)]

    def _response(self, probabilities):
        best = probabilities.argmax(axis=1, keepdims=True)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("CULTIVAR", self._forest.classes_[best]),
                pb_utils.Tensor("PROBABILITIES", probabilities),
            ]
        )
