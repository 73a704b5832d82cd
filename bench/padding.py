"""`python -m bench.padding`: sentences of four lengths at once, padded into one batch or not.

One server has MiniLM twice, with the parameter `padding` and without, one instance and one thread
each; 32 clients, eight of each length, send to one of them at a time, in turns. Prints the
sentences per second of both.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.batching import CLIENT, model_file
from bench.load import payloads
from bench.load.payloads import Arrays
from bench.load.server_process import tritonpy_server
from bench.load.together import offer_together

_LENGTHS = (12, 16, 20, 24)
_CLIENTS_A_LENGTH = 8
_PLAIN = """
backend: "onnxruntime"
max_batch_size: 16
dynamic_batching { }
instance_group [ { count: 1 kind: KIND_CPU } ]
input { name: "input_ids" data_type: TYPE_INT64 dims: -1 }
input { name: "attention_mask" data_type: TYPE_INT64 dims: -1 }
input { name: "token_type_ids" data_type: TYPE_INT64 dims: -1 }
output { name: "last_hidden_state" data_type: TYPE_FP32 dims: [ -1, 384 ] }
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""
_PADDED = """
parameters { key: "padding" value {
  string_value: "input_ids=0, token_type_ids=0; mask=attention_mask" } }
"""
_CONFIGS = {"plain": _PLAIN, "padded": _PLAIN + _PADDED}


def _sentence(tokens: int) -> Arrays:
    ids = np.full((1, tokens), 2023, np.int64)
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }


def _make_repository(folder: Path) -> None:
    for model, config in _CONFIGS.items():
        version = folder / model / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").symlink_to(model_file(payloads.MINILM))
        (version.parent / "config.pbtxt").write_text(config, encoding="utf-8")


def main() -> None:
    """Measure both models and print a line for each."""
    parser = argparse.ArgumentParser(prog="bench.padding", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _make_repository(scratch / "models")
        requests = defaultdict(list)
        for model in _CONFIGS:
            for tokens in _LENGTHS:
                payload = replace(
                    payloads.MINILM, model=model, make_inputs=partial(_sentence, tokens)
                )
                request = scratch / f"{model}_{tokens}"
                request.write_bytes(payloads.http_request(payload))
                requests[model].append((payload, request))
        rates = defaultdict(list)
        with tritonpy_server((), "native", [scratch / "models"], list(_CONFIGS), ()) as server:
            for _ in range(options.rounds):
                for model in _CONFIGS:
                    loads, _ = offer_together(
                        CLIENT, server, requests[model], _CLIENTS_A_LENGTH, options.seconds
                    )
                    rates[model].append(sum(load.per_second for load in loads))
        for model, seen in rates.items():
            print(
                f"{model}: {statistics.median(seen):.0f} sentences/s of {_LENGTHS} tokens "
                f"({min(seen):.0f}-{max(seen):.0f})"
            )


if __name__ == "__main__":
    main()
