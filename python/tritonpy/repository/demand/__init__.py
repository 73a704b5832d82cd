"""Models that are in memory only while somebody needs them: loaded on demand, within a budget."""

from tritonpy.repository.demand.expectation import ModelExpectation, expectation_of
from tritonpy.repository.demand.memory_budget import MemoryBudget, memory_of
from tritonpy.repository.demand.on_demand import DemandCounters, LoadCounters, OnDemand

__all__ = [
    "DemandCounters",
    "LoadCounters",
    "MemoryBudget",
    "ModelExpectation",
    "OnDemand",
    "expectation_of",
    "memory_of",
]
