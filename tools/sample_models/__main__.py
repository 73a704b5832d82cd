"""`python -m tools.sample_models [repository]`: make every sample model that is missing.

A run with nothing to do imports no model library and takes a few hundredths of a second: a stamp in
the repository holds a digest of these sources and the list of the files made.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import sys
from pathlib import Path

from tools.sample_models.packages import DownloadError

PROJECT_ROOT = Path(__file__).parents[2]
STAMP_NAME = ".sample_models.json"


def sources_digest() -> str:
    """Return one digest over the sources of this tool: new sources mean new models."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def is_up_to_date(repository: Path, digest: str) -> bool:
    """Whether these sources have already made every model, and all their files still exist."""
    try:
        stamp = json.loads((repository / STAMP_NAME).read_text())
    except FileNotFoundError:
        return False
    return stamp["digest"] == digest and all((repository / path).exists() for path in stamp["made"])


def make_all(repository: Path, cache: Path, digest: str) -> None:
    """Make every model of the catalogue, then leave the stamp."""
    catalogue = importlib.import_module("tools.sample_models.catalogue")
    made: list[str] = []
    for name, make in catalogue.MODELS.items():
        print(f"sample model {name}", file=sys.stderr)
        version_dir = repository / name / "1"
        version_dir.mkdir(parents=True, exist_ok=True)
        made += [str(path.relative_to(repository)) for path in make(version_dir, cache)]
    stamp = json.dumps({"digest": digest, "made": made}, indent=2)
    (repository / STAMP_NAME).write_text(stamp + "\n")


def main() -> int:
    """Return the exit status: 0, or 1 with one line on stderr when a package cannot be fetched."""
    parser = argparse.ArgumentParser(prog="sample_models", description="Make the sample models.")
    parser.add_argument(
        "repository", nargs="?", type=Path, default=PROJECT_ROOT / "model_repository"
    )
    parser.add_argument("--cache", type=Path, default=PROJECT_ROOT / ".cache" / "sample_models")
    options = parser.parse_args()
    digest = sources_digest()
    if is_up_to_date(options.repository, digest):
        return 0
    try:
        make_all(options.repository, options.cache, digest)
    except DownloadError as error:
        print(f"sample_models: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
