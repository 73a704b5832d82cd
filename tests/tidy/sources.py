"""Which files the house rules look at, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
FOLDERS = (
    ".ci",
    "bench",
    "csrc",
    "examples",
    "model_repository",
    "protos",
    "python",
    "tests",
    "tools",
)
CODE_SUFFIXES = frozenset((".cc", ".cmake", ".h", ".pbtxt", ".proto", ".py", ".pyi", ".sh"))
TEXT_SUFFIXES = CODE_SUFFIXES | {".json", ".md", ".toml", ".txt", ".yaml", ".yml"}
TEXT_NAMES = frozenset((".gitignore", "dev", "run"))
# Written by the build or fetched by the set-up: not ours to keep tidy.
GENERATED = ("*_pb2.pyi", "model_repository/magika/labels.txt", "package-lock.json")
FETCHED_FOLDER = "node_modules"


@dataclass(frozen=True, slots=True)
class Source:
    """A text file: its path from the project's root, with forward slashes, and its content."""

    path: str
    text: str

    @property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.splitlines()

    @property
    def suffix(self) -> str:
        """`.h`, `.py` and so on; empty where there is none."""
        return PurePosixPath(self.path).suffix

    def is_under(self, folder: str) -> bool:
        """Whether the file lies in `folder` or below it."""
        return self.path.startswith(f"{folder}/")


@dataclass(frozen=True, slots=True)
class Rule:
    """One house rule: `check` returns one text for each place that breaks it."""

    name: str
    check: Callable[[Source], list[str]]


def is_text(path: Path) -> bool:
    """Whether this is a file that people write, by its name."""
    return path.suffix in TEXT_SUFFIXES or path.name in TEXT_NAMES


def project_sources() -> Iterator[Source]:
    """Yield every text file that people write, in a stable order."""
    candidates = [path for path in sorted(ROOT.iterdir()) if path.is_file()]
    for folder in FOLDERS:
        candidates += sorted((ROOT / folder).rglob("*"))
    for path in candidates:
        relative = path.relative_to(ROOT)
        generated = FETCHED_FOLDER in relative.parts or any(
            relative.match(pattern) for pattern in GENERATED
        )
        if is_text(path) and path.is_file() and not generated:
            yield Source(relative.as_posix(), path.read_text(encoding="utf-8"))
