"""What is in a file? Ask the sample model `magika` of a running server.

Start the server with `./dev serve`, then run `.venv/bin/python examples/classify_file.py FILE...`.
Needs nothing but numpy and the unmodified `tritonclient`; `--protocol grpc` asks over gRPC instead
of HTTP.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np

MODEL = "magika"
BLOCK = 4096
EDGE = 1024
PADDING = 256
DEFAULT_URLS = {"http": "localhost:8000", "grpc": "localhost:8001"}


def features(content: bytes) -> np.ndarray:
    """Return the model's input, int32 [1, 2048]: the first and the last 1024 bytes.

    White space around the content does not count, and missing bytes are 256.
    """
    beginning = content[:BLOCK].lstrip()[:EDGE]
    end = content[-BLOCK:].rstrip()[-EDGE:]
    row = np.full(2 * EDGE, PADDING, dtype=np.int32)
    row[: len(beginning)] = list(beginning)
    row[2 * EDGE - len(end) :] = list(end)
    return row[np.newaxis]


def classify(client: ModuleType, url: str, content: bytes) -> tuple[str, float]:
    """Return the name of the likeliest content type and its probability."""
    row = features(content)
    tensor = client.InferInput("bytes", row.shape, "INT32")
    tensor.set_data_from_numpy(row)
    likeliest = client.InferRequestedOutput("target_label", class_count=1)
    server = client.InferenceServerClient(url)
    try:
        result = server.infer(MODEL, [tensor], outputs=[likeliest])
    finally:
        server.close()
    # The classification extension answers with "probability:index:name" for each class asked for.
    probability, _, name = result.as_numpy("target_label").flat[0].decode().split(":")
    return name, float(probability)


def main() -> None:
    """Print one line for each file."""
    parser = argparse.ArgumentParser(description="Say what is in a file.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--protocol", choices=sorted(DEFAULT_URLS), default="http")
    parser.add_argument("--url", help="host:port of the server (default: localhost, Triton's port)")
    options = parser.parse_args()
    # Both modules of the client library have the same names.
    client = importlib.import_module(f"tritonclient.{options.protocol}")
    url = options.url or DEFAULT_URLS[options.protocol]
    for path in options.files:
        name, probability = classify(client, url, path.read_bytes())
        print(f"{path}: {name} ({probability:.1%})")


if __name__ == "__main__":
    main()
