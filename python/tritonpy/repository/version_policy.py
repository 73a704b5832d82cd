"""Which of the versions on disk a model serves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tritonpy.protos.model_config_pb2 import ModelVersionPolicy


@dataclass(frozen=True, slots=True)
class VersionChoice:
    """The versions to serve, and those that the policy names but nobody has; both ascending."""

    selected: tuple[int, ...]
    missing: tuple[int, ...] = ()


def choose_versions(policy: ModelVersionPolicy, available: Iterable[int]) -> VersionChoice:
    """Apply a policy to the versions on disk; one that says nothing serves the newest."""
    ascending = sorted(set(available))
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionChoice(tuple(ascending))
    if choice == "specific":
        named = sorted(set(policy.specific.versions))
        return VersionChoice(
            selected=tuple(version for version in named if version in ascending),
            missing=tuple(version for version in named if version not in ascending),
        )
    count = policy.latest.num_versions or 1
    return VersionChoice(tuple(ascending[-count:]))
