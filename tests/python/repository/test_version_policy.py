"""Goal: each policy serves the versions it says. Method: cases, and properties of any versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritonpy.config import parse_config
from tritonpy.protos.model_config_pb2 import ModelVersionPolicy
from tritonpy.repository.version_policy import VersionChoice, choose_versions

_VERSIONS = st.sets(st.integers(1, 2**40), max_size=8)


def _policy(text: str) -> ModelVersionPolicy:
    return parse_config(f"version_policy: {text}" if text else "", "test").version_policy


@pytest.mark.parametrize(
    ("policy", "selected", "missing"),
    [
        ("", (12,), ()),
        ("{ latest { num_versions: 1 } }", (12,), ()),
        ("{ latest { num_versions: 2 } }", (9, 12), ()),
        ("{ latest { num_versions: 7 } }", (1, 9, 12), ()),
        ("{ all {} }", (1, 9, 12), ()),
        ("{ specific { versions: [ 9, 1 ] } }", (1, 9), ()),
        ("{ specific { versions: [ 9, 4, 9, 3 ] } }", (9,), (3, 4)),
    ],
)
def test_policy_selects(policy: str, selected: tuple[int, ...], missing: tuple[int, ...]) -> None:
    assert choose_versions(_policy(policy), [12, 1, 9]) == VersionChoice(selected, missing)


@given(_VERSIONS, st.integers(1, 10))
def test_latest_serves_the_greatest_numbers(available: set[int], count: int) -> None:
    chosen = choose_versions(_policy(f"{{ latest {{ num_versions: {count} }} }}"), available)
    assert len(chosen.selected) == min(count, len(available))
    left_out = available - set(chosen.selected)
    assert all(version > other for version in chosen.selected for other in left_out)


@given(_VERSIONS, _VERSIONS)
def test_specific_serves_what_is_named_and_there(available: set[int], named: set[int]) -> None:
    policy = ModelVersionPolicy()
    policy.specific.versions.extend(named)
    chosen = choose_versions(policy, available)
    assert set(chosen.selected) == available & named
    assert set(chosen.missing) == named - available
