"""Goal: host policies mean processors that this process may use, or a clear complaint.

Method: the processors of this process, and a tree of files that looks like the kernel's.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tritonpy.core.host_policies import resolve
from tritonpy.errors import InvalidArgError
from tritonpy.options import HostPolicy

_ALLOWED = sorted(os.sched_getaffinity(0))
_NOWHERE = 65000


def _nodes(tmp_path: Path, text: str) -> Path:
    (tmp_path / "node3").mkdir()
    (tmp_path / "node3" / "cpulist").write_text(text)
    return tmp_path


def test_cores_are_taken_as_they_are(tmp_path: Path) -> None:
    policy = HostPolicy("cpu", cpu_cores=(_ALLOWED[0],), numa_node=99)
    assert resolve([policy], tmp_path) == {"cpu": [_ALLOWED[0]]}
    assert resolve([]) == {}


def test_a_node_gives_those_of_its_cores_that_may_be_used(tmp_path: Path) -> None:
    nodes = _nodes(tmp_path, f"{_ALLOWED[0]},{_NOWHERE}-{_NOWHERE + 2}\n")
    assert resolve([HostPolicy("near", numa_node=3)], nodes) == {"near": [_ALLOWED[0]]}


def test_what_the_machine_does_not_have_is_refused(tmp_path: Path) -> None:
    usable = ",".join(map(str, _ALLOWED))
    for policy in (
        HostPolicy("p", cpu_cores=(_ALLOWED[0], _NOWHERE)),
        HostPolicy("p", numa_node=3),
    ):
        with pytest.raises(InvalidArgError) as complaint:
            resolve([policy], tmp_path if policy.cpu_cores else _nodes(tmp_path, f"{_NOWHERE}"))
        assert complaint.value.message == (
            f"host policy 'p' asks for processors {_NOWHERE}, but this process may use {usable}"
        )
    with pytest.raises(InvalidArgError) as complaint:
        resolve([HostPolicy("p", numa_node=4)], tmp_path)
    assert complaint.value.message == (
        "host policy 'p' asks for NUMA node 4, which this machine does not have"
    )
