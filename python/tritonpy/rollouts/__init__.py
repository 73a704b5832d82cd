"""Rollouts: labels for versions of a model, and which part of the traffic each of them gets."""

from tritonpy.rollouts.plan import RollbackPlan, RolloutPlan, RolloutTarget, plan_of, read_plan
from tritonpy.rollouts.rollouts import RolloutCore, Rollouts, RolloutState, TargetCounters

__all__ = [
    "RollbackPlan",
    "RolloutCore",
    "RolloutPlan",
    "RolloutState",
    "RolloutTarget",
    "Rollouts",
    "TargetCounters",
    "plan_of",
    "read_plan",
]
