"""Rollouts: labels for versions of a model, and which part of the traffic each of them gets."""

from tritonpy.rollouts.plan import (
    HeaderRule,
    RollbackPlan,
    RolloutPlan,
    RolloutTarget,
    ShadowPlan,
    plan_of,
    read_plan,
)
from tritonpy.rollouts.rollouts import (
    RawCounters,
    RolloutCore,
    Rollouts,
    RolloutState,
    ShadowCounters,
    TargetCounters,
)

__all__ = [
    "HeaderRule",
    "RawCounters",
    "RollbackPlan",
    "RolloutCore",
    "RolloutPlan",
    "RolloutState",
    "RolloutTarget",
    "Rollouts",
    "ShadowCounters",
    "ShadowPlan",
    "TargetCounters",
    "plan_of",
    "read_plan",
]
