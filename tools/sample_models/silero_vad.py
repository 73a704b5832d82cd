"""The voice activity network of the package silero-vad: for whole recordings, and for streams.

`silero_vad` runs the network as it is, from a Python model beside it. `silero_vad_stream` is the
same network as an ONNX model of sequences: what one chunk of audio leaves for the next, the
recurrent state and the last samples, are tensors with the batch dimension in front, which the
server keeps as implicit state.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from tools.sample_models.packages import PackageFile

RATE = 16000
CHUNK = 512
CONTEXT = 64  # samples of the chunk before
STATE = 128

MODEL = PackageFile(
    package="silero-vad",
    version="6.2.3",
    member="silero_vad/data/silero_vad_16k_op15.onnx",
    sha256="7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
)


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the network."""
    return [MODEL.save(version_dir / "silero_vad.onnx", cache)]


def make_stream(version_dir: Path, cache: Path) -> list[Path]:
    """Fetch the network, and wire it for sequences."""
    fetched = MODEL.save(version_dir / "network.onnx", cache)
    model = onnx.load(str(fetched))
    fetched.unlink()
    path = version_dir / "model.onnx"
    onnx.save(_for_streams(model), str(path))
    return [path]


def _for_streams(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the network with AUDIO, CONTEXT_IN and STATE_IN around it, all [batch, ...]."""
    graph = model.graph
    integers = {"context_start": [-CONTEXT], "context_end": [2**31 - 1], "sample_axis": [1]}
    for name, values in integers.items():
        graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], values))
    graph.initializer.append(helper.make_tensor("sr", TensorProto.INT64, [], [RATE]))
    before = [
        helper.make_node("Concat", ["CONTEXT_IN", "AUDIO"], ["input"], axis=1),
        helper.make_node("Transpose", ["STATE_IN"], ["state"], perm=[1, 0, 2]),
        helper.make_node(
            "Slice", ["AUDIO", "context_start", "context_end", "sample_axis"], ["CONTEXT_OUT"]
        ),
    ]
    after = [
        helper.make_node("Identity", ["output"], ["SPEECH"]),
        helper.make_node("Transpose", ["stateN"], ["STATE_OUT"], perm=[1, 0, 2]),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    state: list[str | int | None] = ["batch", 2, STATE]
    for tensors, names in (
        (graph.input, (("AUDIO", CHUNK), ("CONTEXT_IN", CONTEXT), ("STATE_IN", None))),
        (graph.output, (("SPEECH", 1), ("CONTEXT_OUT", CONTEXT), ("STATE_OUT", None))),
    ):
        for name, width in names:
            shape: list[str | int | None] = state if width is None else ["batch", width]
            tensors.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    return model
