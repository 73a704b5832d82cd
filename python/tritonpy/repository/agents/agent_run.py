"""The agents of one load of one model, from LOAD to UNLOAD_COMPLETE.

Agents load and unload in the order of the config; what tells them how that ended goes the other
way. Only the config that the model had at first says which agents there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tritonpy.errors import InternalError, TritonError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.repository.agents.agent_files import make_agent
from tritonpy.repository.agents.agent_model import AgentModel
from tritonpy.repository.layout import Logger, ModelLocation


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    agent: Any
    model: AgentModel


class AgentRun:
    """Confined to the thread that loads or unloads the model. Blocks as its agents do."""

    def __init__(
        self, config: ModelConfig, location: ModelLocation, seen: object, agents: Path, log: Logger
    ) -> None:
        """Let every agent LOAD. Raises TritonError after those that did were told LOAD_FAIL.

        `seen` is compared to know whether the agents would see anything new.
        """
        self.location = location
        self.seen = seen
        self._log = log
        self._members: list[_Member] = []
        try:
            for given in config.model_repository_agents.agents:
                model = AgentModel(location.name, dict(given.parameters), self.location.path)
                member = _Member(given.name, make_agent(given.name, agents), model)
                self._load(member)
                self._members.append(member)
                self.location = replace(self.location, path=model.location)
        except BaseException:
            self.fail()
            raise
        self.is_elsewhere = self.location != location

    def complete(self) -> None:
        """Tell the agents that the model serves."""
        self._tell("load_complete", reversed(self._members))

    def fail(self) -> None:
        """Tell the agents that the model does not serve; what they brought is gone."""
        self._tell("load_fail", reversed(self._members))
        self._release()

    def unload(self) -> None:
        """Tell the agents that the model is about to go."""
        self._tell("unload", self._members)

    def unload_complete(self) -> None:
        """Tell the agents that the model is gone, and what they brought with it."""
        self._tell("unload_complete", reversed(self._members))
        self._release()

    def _load(self, member: _Member) -> None:
        try:
            _call(member, "load")
        except BaseException as error:
            member.model.release_locations()
            if isinstance(error, TritonError) or not isinstance(error, Exception):
                raise
            raise InternalError(f"repo agent '{member.name}': {error}") from error
        # (The name of a directory is the name of its model.)
        location = member.model.location
        if not location.is_dir() or location.name != member.model.name:
            member.model.release_locations()
            raise InternalError(
                f"repo agent '{member.name}' handed over '{location}', which is no directory "
                f"called '{member.model.name}'"
            )

    def _tell(self, action: str, members: Iterable[_Member]) -> None:
        for member in members:
            try:
                _call(member, action)
            except Exception as error:  # it is the operator's program
                self._log.error(
                    f"repo agent '{member.name}' failed at {action} of '{member.model.name}': "
                    f"{type(error).__name__}: {error}"
                )

    def _release(self) -> None:
        for member in self._members:
            member.model.release_locations()
        self._members = []


def _call(member: _Member, action: str) -> None:
    method = getattr(member.agent, action, None)
    if method is not None:
        method(member.model)
