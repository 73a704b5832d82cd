"""What is wrong with the directories of a repository, before any config is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tritonpy.config.platforms import PLATFORMS
from tritonpy.inspection.advice import closest
from tritonpy.inspection.problem import Problem, Severity
from tritonpy.repository.layout import ModelLocation, version_directories

_CONFIG: Final = "config.pbtxt"
_MODEL_FILES: Final = frozenset(known.filename for known in PLATFORMS)


def repository_problems(repository: Path) -> Iterator[Problem]:
    """Yield what is wrong with a repository as a directory of models."""
    if (repository / _CONFIG).is_file():
        yield Problem(
            repository / _CONFIG,
            "the directory is a model, not a repository of models",
            f"name the directory that it lies in: {repository.parent}",
        )
    for entry in sorted(repository.iterdir()):
        if entry.is_file() and entry.name in _MODEL_FILES:
            yield Problem(
                entry,
                "a model's file lies in the repository itself, where nothing reads it",
                f"move it to {repository / '<model>' / '1' / entry.name}",
                severity=Severity.WARNING,
            )


def model_directory_problems(location: ModelLocation, config: Path) -> Iterator[Problem]:
    """Yield what is wrong with a model's directory; `config` is where its config would be."""
    names = sorted(entry.name for entry in location.path.iterdir() if entry.is_file())
    if not config.is_file():
        meant = closest(_CONFIG, names) if _CONFIG not in names else ""
        if meant:
            yield Problem(
                location.path / meant,
                f"the file is not read: a config is called {_CONFIG}",
                f"rename it to {_CONFIG}",
            )
    for name in names:
        if name in _MODEL_FILES:
            yield Problem(
                location.path / name,
                "a model's file lies beside its versions, where nothing reads it",
                f"move it to {location.path / '1' / name}",
                severity=Severity.WARNING,
            )


def versions_of(location: ModelLocation) -> tuple[Mapping[int, Path], list[Problem]]:
    """Return the version directories of a model, and what is wrong with those that are ignored."""
    ignored = _Ignored()
    versions = version_directories(location, ignored)
    problems = [
        Problem(
            location.path,
            text,
            "call it by a number without leading zeros: 1, 2, 3",
            severity=Severity.WARNING,
        )
        for text in ignored.texts
    ]
    return versions, problems


class _Ignored:
    """A log that keeps its warnings."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def info(self, text: str) -> None:
        """Drop it."""

    def warning(self, text: str) -> None:
        """Keep it."""
        self.texts.append(text)

    def error(self, text: str) -> None:
        """Keep it."""
        self.texts.append(text)
