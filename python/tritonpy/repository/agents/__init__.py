"""Repository agents: programs that see a model before it is loaded, and may bring another.

An agent is the class `TritonRepositoryAgent` of `<repoagent-directory>/<name>/agent.py`, or one of
those that come with the server. There is one object of it for each load of a model. Its methods
`load`, `load_complete`, `load_fail`, `unload` and `unload_complete`, each of which may be missing,
take an `AgentModel`; what `load` raises fails the load, and what others raise is logged.
"""

from tritonpy.repository.agents.agent_model import AgentModel
from tritonpy.repository.agents.agent_run import AgentRun

__all__ = ["AgentModel", "AgentRun"]
