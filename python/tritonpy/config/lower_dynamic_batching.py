"""`dynamic_batching` lowered to plain values: what is put together, and who waits how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tritonpy.protos.model_config_pb2 import ModelConfig, ModelQueuePolicy

# 31 years: more than any time that is meant, and far from overflow in nanoseconds.
TIME_MAX_US: Final = 10**15


@dataclass(frozen=True, slots=True)
class QueuePolicySpec:
    """How many requests may wait at one priority level, and how long."""

    max_queue_size: int = 0  # requests; 0: the server's own bound
    default_timeout_us: int = 0  # 0: for ever
    allow_timeout_override: bool = False
    delays: bool = False  # late requests run behind the others of their level; else: are refused


@dataclass(frozen=True, slots=True)
class DynamicBatchingSpec:
    """How requests are put together and how they wait for it; sizes are in rows."""

    preferred_batch_sizes: tuple[int, ...]
    max_queue_delay_us: int
    preserve_ordering: bool
    priority_levels: int = 0  # 0: priorities are not looked at
    default_priority_level: int = 0
    default_queue_policy: QueuePolicySpec = QueuePolicySpec()
    # Of the levels that have one of their own.
    priority_queue_policy: Mapping[int, QueuePolicySpec] = field(default_factory=dict)


def lower_dynamic_batching(config: ModelConfig) -> DynamicBatchingSpec | None:
    """Return what the config asks for, None when it asks for nothing.

    Without a batch dimension nothing is put together, but what it says of the queue holds.
    """
    if not config.HasField("dynamic_batching"):
        return None
    dynamic = config.dynamic_batching
    return DynamicBatchingSpec(
        preferred_batch_sizes=tuple(sorted(set(dynamic.preferred_batch_size))),
        max_queue_delay_us=min(dynamic.max_queue_delay_microseconds, TIME_MAX_US),
        preserve_ordering=dynamic.preserve_ordering,
        priority_levels=dynamic.priority_levels,
        default_priority_level=dynamic.default_priority_level,
        default_queue_policy=_queue_policy(dynamic.default_queue_policy),
        priority_queue_policy={
            level: _queue_policy(policy)
            for level, policy in sorted(dynamic.priority_queue_policy.items())
        },
    )


def _queue_policy(policy: ModelQueuePolicy) -> QueuePolicySpec:
    return QueuePolicySpec(
        max_queue_size=policy.max_queue_size,
        default_timeout_us=min(policy.default_timeout_microseconds, TIME_MAX_US),
        allow_timeout_override=policy.allow_timeout_override,
        delays=policy.timeout_action == ModelQueuePolicy.DELAY,
    )
