"""A network with one hidden layer, trained here on scikit-learn's pictures of digits.

It sees the first 1,400 of the 1,797 pictures; it reads nine in ten of the others right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from tools.sample_models import onnx_file

PIXELS = 64
CLASSES = 10
HIDDEN = 64
BRIGHTEST = 16.0
TRAINING_PICTURES = 1400


def train() -> MLPClassifier:
    """Fit the network on greys from 0 to 1; the same seed always gives the same network."""
    pictures, digits = load_digits(return_X_y=True)
    network = MLPClassifier(hidden_layer_sizes=(HIDDEN,), max_iter=300, tol=1e-3, random_state=0)
    return network.fit(pictures[:TRAINING_PICTURES] / BRIGHTEST, digits[:TRAINING_PICTURES])


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Train, and write the network as a graph; the division by 16 is folded into its weights."""
    del cache
    network = train()
    hidden, output = network.coefs_
    hidden_bias, output_bias = network.intercepts_
    constants = {
        "hidden": hidden / BRIGHTEST,
        "hidden_bias": hidden_bias,
        "output": output,
        "output_bias": output_bias,
    }
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["X", "hidden", "hidden_bias"], ["sums"]),
            helper.make_node("Relu", ["sums"], ["activations"]),
            helper.make_node("Gemm", ["activations", "output", "output_bias"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
            helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        ],
        "mlp_digits",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["batch", PIXELS])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", CLASSES]),
        ],
        [numpy_helper.from_array(np.float32(v), name) for name, v in constants.items()],
    )
    return [onnx_file.write(graph, version_dir / "model.onnx")]
