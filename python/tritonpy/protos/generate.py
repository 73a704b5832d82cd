"""Compiles the `.proto` files: `python generate.py <protos_dir> <out_dir>`.

Writes `descriptors.binpb` (what `pool.py` loads) and one `_pb2.pyi` for each file (what type
checkers read). Needs grpcio-tools, and nothing of tritonpy itself: the build runs it by path. Each
file appears whole or not at all, also when two builds run at once.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

_PROTO_FILES = ("model_config.proto", "grpc_service.proto")
_STUB_HEADER = (
    '# Written by generate.py. Do not edit.\n# mypy: disable-error-code="type-arg,no-untyped-def"\n'
)


def compile_protos(protos_dir: Path, out_dir: Path) -> None:
    """Run protoc over `protos_dir`. Raises CalledProcessError with protoc's text on stderr."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos_dir}", "--include_imports"]
    command += [f"--descriptor_set_out={out_dir / 'descriptors.binpb'}", f"--pyi_out={out_dir}"]
    subprocess.run([*command, *_PROTO_FILES], check=True)
    for stub in out_dir.glob("*_pb2.pyi"):
        # protoc writes imports for a flat directory, but the modules live in a package.
        text = re.sub(
            r"^import (\w+_pb2) as",
            r"from tritonpy.protos import \1 as",
            stub.read_text(),
            flags=re.M,
        )
        stub.write_text(_STUB_HEADER + text)


def install(source: Path, target: Path) -> None:
    """Put `source` in the place of `target` in one step."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    part.write_bytes(source.read_bytes())
    part.replace(target)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: generate.py <protos_dir> <out_dir>", file=sys.stderr)
        return 2
    protos_dir, out_dir = Path(arguments[0]).resolve(), Path(arguments[1]).resolve()
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            compile_protos(protos_dir, Path(scratch))
        except subprocess.CalledProcessError as error:
            return error.returncode or 1
        for produced in sorted(Path(scratch).iterdir()):
            install(produced, out_dir / produced.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
