"""`python -m bench.neighbours`: two models under load at once, threads shared or a pool each.

One server gives each model a pool as large as the machine, which is what `intra_op_thread_count`
asks for; the other leaves threads to tritonpy. Both serve each model alone and then the two at
once, in turns. Prints medians: requests per second, median latency, the server's busy cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.batching import CLIENT, CONV_NET, model_file
from bench.load import payloads
from bench.load.load_client import Load
from bench.load.payloads import Payload
from bench.load.server_process import tritonpy_server
from bench.load.together import offer_together

_MODELS = (payloads.MINILM, CONV_NET)
_GROUPS = ((payloads.MINILM,), (CONV_NET,), _MODELS)
_CONFIG = """
backend: "onnxruntime"
max_batch_size: 16
dynamic_batching { }
instance_group [ { count: 1 kind: KIND_CPU } ]
"""
_OWN_POOL = (
    f'parameters {{ key: "intra_op_thread_count" value {{ string_value: "{os.cpu_count()}" }} }}\n'
)
_SUBJECTS = {"a pool each": _CONFIG + _OWN_POOL, "shared": _CONFIG}


def _make_repository(folder: Path, config: str) -> Path:
    for payload in _MODELS:
        version = folder / payload.model / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").symlink_to(model_file(payload))
        (version.parent / "config.pbtxt").write_text(config, encoding="utf-8")
    return folder


def _report(
    subject: str, group: Sequence[Payload], clients: int, rounds: list[tuple[list[Load], float]]
) -> None:
    texts = []
    for index, payload in enumerate(group):
        of_model = [loads[index] for loads, _ in rounds]
        per_second = statistics.median(load.per_second for load in of_model)
        latency_ms = statistics.median(load.p50_us for load in of_model) / 1000
        texts.append(f"{payload.model} {per_second:.1f}/s, {latency_ms:.1f} ms")
    cores = statistics.median(busy for _, busy in rounds)
    print(f"{clients} clients a model, {subject}: {'; '.join(texts)}; {cores:.2f} cores")


def main() -> None:
    """Measure one and eight clients for each model."""
    parser = argparse.ArgumentParser(prog="bench.neighbours", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    options = parser.parse_args()
    names = [payload.model for payload in _MODELS]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for payload in _MODELS:
            (scratch / payload.model).write_bytes(payloads.http_request(payload))
        own, shared = (
            _make_repository(scratch / subject, config) for subject, config in _SUBJECTS.items()
        )
        with (
            tritonpy_server((), "native", [own], names, ()) as own_server,
            tritonpy_server((), "native", [shared], names, ()) as shared_server,
        ):
            servers = dict(zip(_SUBJECTS, (own_server, shared_server), strict=True))
            for clients in (1, 8):
                for group in _GROUPS:
                    requests = [(payload, scratch / payload.model) for payload in group]
                    seen = defaultdict(list)
                    for _ in range(options.rounds):
                        for subject, server in servers.items():
                            load = offer_together(
                                CLIENT, server, requests, clients, options.seconds
                            )
                            seen[subject].append(load)
                    for subject, rounds in seen.items():
                        _report(subject, group, clients, rounds)


if __name__ == "__main__":
    main()
