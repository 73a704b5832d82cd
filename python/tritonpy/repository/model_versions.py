"""Versions of a model on their way: chosen by a poll, built by a load, served after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tritonpy.config.identifier import name_of, namespace_of
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.repository.file_stamps import Stamp
from tritonpy.repository.layout import ModelLocation
from tritonpy.repository.serving_core import BuiltModel


@dataclass(frozen=True, slots=True)
class VersionKey:
    """What a version was loaded from; as long as it is equal there is nothing to load again."""

    # But for the version policy, which decides only which versions load, and for the instances; of
    # an ensemble also the configs of the models that it is composed of.
    config: bytes
    instances: bytes
    shared_files: frozenset[Stamp]
    version_files: frozenset[Stamp]

    @property
    def files(self) -> bytes:
        """The files, in one text."""
        return repr(sorted(self.shared_files | self.version_files)).encode()

    def differs_in_instances_alone(self, other: VersionKey) -> bool:
        """Whether a version of the one key needs nothing but other instances to be the other's."""
        return self != other and self == replace(other, instances=self.instances)


@dataclass(frozen=True, slots=True)
class PolledVersion:
    """One version that the policy chose."""

    version: int
    directory: Path
    key: VersionKey


@dataclass(frozen=True, slots=True)
class PolledModel:
    """A model as its directory and config describe it now."""

    location: ModelLocation
    config: ModelConfig  # completed from the directory and normalised
    problems: tuple[str, ...]  # what keeps each of its versions from loading
    versions: tuple[PolledVersion, ...]


@dataclass(frozen=True, slots=True)
class BuiltVersion:
    """A version that is loaded, with the config that it was loaded by."""

    version: int
    key: VersionKey
    config: ModelConfig
    labels: Mapping[str, tuple[str, ...]]  # by output
    model: BuiltModel | None  # None: it serves already, and its instances have changed
    content_digest: str = ""  # where servers share answers


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version that serves, with its completed config."""

    identifier: str  # what the core knows it by
    version: int
    config: ModelConfig
    load_duration_ns: int
    key: VersionKey
    labels: Mapping[str, tuple[str, ...]]  # by output
    content_digest: str = ""  # where servers share answers

    @property
    def name(self) -> str:
        """What clients call it."""
        return name_of(self.identifier)

    @property
    def content(self) -> bytes:
        """Bytes that are others when it is loaded from other files."""
        return self.content_digest.encode() or self.key.files

    @property
    def namespace(self) -> str:
        """The repository, where repositories may share names; else empty."""
        return namespace_of(self.identifier)
