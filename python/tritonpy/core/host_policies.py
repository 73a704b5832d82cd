"""Which processors host policies mean on this machine.

Triton pins a policy's threads to `cpu-cores`, or to those of a `numa-node`. Memory needs no setting
of its own: the kernel takes it from the node of the thread that touches it first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tritonpy.errors import InvalidArgError
from tritonpy.options import HostPolicy

_NODES: Final = Path("/sys/devices/system/node")


def resolve(policies: Iterable[HostPolicy], nodes: Path = _NODES) -> dict[str, list[int]]:
    """Return the processors of each policy. Raises InvalidArgError for what does not exist here."""
    allowed = os.sched_getaffinity(0)
    resolved = {}
    for policy in policies:
        cpus = policy.cpu_cores or _cpus_of_node(policy, nodes)
        missing = [cpu for cpu in cpus if cpu not in allowed]
        # Of a node, the part that the process may use will do.
        usable = [cpu for cpu in cpus if cpu in allowed]
        if (missing and policy.cpu_cores) or not usable:
            raise InvalidArgError(
                f"host policy '{policy.name}' asks for processors {_ranges(missing)}, but this "
                f"process may use {_ranges(sorted(allowed))}"
            )
        resolved[policy.name] = usable
    return resolved


def _cpus_of_node(policy: HostPolicy, nodes: Path) -> Sequence[int]:
    try:
        text = (nodes / f"node{policy.numa_node}" / "cpulist").read_text().strip()
    except OSError as error:
        raise InvalidArgError(
            f"host policy '{policy.name}' asks for NUMA node {policy.numa_node}, which this "
            "machine does not have"
        ) from error
    cpus: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


def _ranges(cpus: Sequence[int]) -> str:
    return ",".join(map(str, cpus)) or "none"
