"""Everything about one model name: what serves, what it was loaded from, and how that changes.

A load builds new versions beside those that serve. Only when all of them are ready are they
published, and versions that the policy no longer chooses taken out; one failure and the old ones
serve on. A version of which only the instances are to be others gets those where it serves, after
all others are built; should then another one fail, it has them, and its config says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn

from tritonpy.errors import ErrorCode, InternalError, InvalidArgError, TritonError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.repository.agents import AgentRun
from tritonpy.repository.clock import Clock
from tritonpy.repository.demand import MemoryBudget, memory_of
from tritonpy.repository.dependencies import Dependents, composing_models
from tritonpy.repository.kept_override import KeptOverride
from tritonpy.repository.layout import Logger, ModelLocation
from tritonpy.repository.lifecycle import UNLOADED, Lifecycle, failure_reason
from tritonpy.repository.model_loader import ModelLoader
from tritonpy.repository.model_versions import (
    BuiltVersion,
    PolledModel,
    PolledVersion,
    ServedVersion,
)
from tritonpy.repository.override_directory import OverrideDirectory
from tritonpy.repository.serving_core import ServingCore


@dataclass(frozen=True, slots=True)
class RepositoryParts:
    """What all entries of one repository work with."""

    core: ServingCore
    loader: ModelLoader
    lifecycle: Lifecycle
    log: Logger
    clock: Clock
    budget: MemoryBudget
    dependents: Dependents


class ModelEntry:
    """One model. load and unload are confined(loader): one at a time; reading is free.

    Invariant: `served` has the config of every version that the core serves, and between the two
    steps of a change also of versions that it does not serve yet, or no more.
    """

    def __init__(self, name: str, parts: RepositoryParts) -> None:
        self._name = name
        self._parts = parts
        self._override: KeptOverride | None = None
        self._agents: AgentRun | None = None  # of what serves
        self._served: Mapping[int, ServedVersion] = {}  # replaced, never changed
        self._composing: tuple[str, ...] = ()  # of what serves
        self._evicted: Mapping[int, ServedVersion] = {}  # what served, while it is out of memory
        self._missed: tuple[str, ...] = ()  # what it is composed of, while it is suspended

    @property
    def served(self) -> Mapping[int, ServedVersion]:
        """The versions that serve, by number."""
        return self._served

    @property
    def known(self) -> Mapping[int, ServedVersion]:
        """The versions that serve, or did until they made room for others."""
        return self._served or self._evicted

    @property
    def composing(self) -> tuple[str, ...]:
        """The models that an ensemble serves with, or would if none of them were missing."""
        return self._composing if self._served else self._missed

    @property
    def override_location(self) -> ModelLocation | None:
        """Where the files are that a load call brought, while the model serves from them."""
        return self._override.location if self._override else None

    def composing_on_disk(self, location: ModelLocation) -> tuple[str, ...]:
        """Read which models a load would need; none where that cannot be read."""
        return self._parts.loader.composing(location, self._override_in_force(location))

    def load_files(self, directory: OverrideDirectory, config: ModelConfig) -> None:
        """Load what a call brought instead of what is on disk; errors as `load`.

        Takes the directory over: it is there as long as the model serves from it.
        """
        try:
            self._load(directory.location, config, directory)
        except BaseException:
            directory.close()
            raise

    def load(self, location: ModelLocation, override: ModelConfig | None = None) -> None:
        """Bring what serves in line with disk and config; blocks until it is, and old ones idle.

        With `override`, also versions that did not change are loaded. Raises InternalError when
        there is nothing to load, InvalidArgError when a version fails; old versions then serve on.
        """
        self._load(location, override, None)

    def _load(
        self,
        location: ModelLocation,
        override: ModelConfig | None,
        directory: OverrideDirectory | None,
    ) -> None:
        given = self._override_in_force(location) if override is None else override
        agents = self._run_agents(location, given, self._agents if override is None else None)
        try:
            self._load_after(agents, given, override, directory)
        except BaseException:
            if agents is not self._agents:
                agents.fail()
            raise
        if agents is self._agents:
            return
        agents.complete()
        before, self._agents = self._agents, agents
        if before is not None:
            before.unload()
            before.unload_complete()

    def _load_after(
        self,
        agents: AgentRun,
        given: ModelConfig | None,
        override: ModelConfig | None,
        directory: OverrideDirectory | None,
    ) -> None:
        polled = self._poll(agents.location, given)
        if not polled.versions:
            reason = (
                "at least one version must be available under the version policy of model "
                f"'{self._name}'"
            )
            self._parts.log.error(f"failed to load '{self._name}': {reason}")
            self._fail_model(f"{ErrorCode.INVALID_ARG.value}: {reason}")
            raise InternalError(f"failed to load '{self._name}', no version is available")
        # What other agents brought before is gone soon.
        is_elsewhere = agents.is_elsewhere and agents is not self._agents
        changed = [
            version
            for version in polled.versions
            if override is not None or is_elsewhere or not self._is_served(version)
        ]
        before = self._override
        size = memory_of(polled)
        with self._parts.budget.room_for(self._name, size, loads=bool(changed)):
            built = self._build(polled, changed)
            if override is not None:
                self._override = KeptOverride(override, self._parts.clock.wall_ns(), directory)
            elif given is None:
                self._override = None
            self._publish(polled, built)
        if before is not None and before is not self._override:
            before.close()  # now that nothing serves from there
        self._missed = ()
        self._evicted = {}

    def refresh(self, location: ModelLocation) -> None:
        """Load an ensemble again, whose models have changed; suspend it where they do not fit."""
        try:
            self.load(location)
        except TritonError:
            self.suspend()
            with suppress(TritonError):
                self.load(location)  # now that nothing serves, why not is kept and told

    def suspend(self) -> None:
        """Unload an ensemble that misses a model, until that is back: see `composing`."""
        self._missed = self.composing
        self._take_out()

    def refuse(self, error: TritonError) -> NoReturn:
        """Note why there is nothing to load, and raise it."""
        self._parts.log.error(f"failed to load '{self._name}': {error.message}")
        self._fail_model(failure_reason(error))
        raise error

    def unload(self) -> None:
        """Take every version out; blocks until their last requests are answered."""
        override, self._override = self._override, None
        self._missed = ()
        self._take_out()
        self._parts.dependents.note(self._name, ())  # also where it was suspended
        if override is not None:
            override.close()

    def evict(self, patience_s: float) -> bool:
        """Take the model out of memory, once it is idle, for others; a load brings it back.

        Returns whether it is out. One that serves what a load call brought stays.
        """
        served, parts = self._served, self._parts
        if (
            not served
            or self.override_location
            or not parts.core.model_demands.evict(self._name, patience_s)
        ):
            return False
        self._take_out()
        self._evicted = served
        parts.lifecycle.evicted(self._name, served)
        return True

    def _take_out(self) -> None:
        self._evicted = {}
        served = tuple(self._served)
        agents, self._agents = self._agents, None
        if agents is not None:
            agents.unload()
        if served:
            self._retire(served)
        if agents is not None:
            agents.unload_complete()
        self._parts.budget.freed(self._name)
        self._parts.lifecycle.forget_failures(self._name)

    def _override_in_force(self, location: ModelLocation) -> ModelConfig | None:
        if self._override is None:
            return None
        return self._override.config_for(location, self._parts.loader.config_file(location))

    def _run_agents(
        self, location: ModelLocation, given: ModelConfig | None, before: AgentRun | None
    ) -> AgentRun:
        try:
            return self._parts.loader.run_agents(location, given, before)
        except TritonError as error:
            raise self._poll_failed(location, error) from error

    def _poll(self, location: ModelLocation, given: ModelConfig | None) -> PolledModel:
        try:
            return self._parts.loader.poll(location, given)
        except TritonError as error:
            raise self._poll_failed(location, error) from error

    def _poll_failed(self, location: ModelLocation, error: TritonError) -> InternalError:
        self._parts.log.error(f"Poll failed for model directory '{location.path}': {error.message}")
        self._fail_model(failure_reason(error))
        return poll_failure(self._name, error.message)

    def _fail_model(self, reason: str) -> None:
        if not self._served:
            self._parts.lifecycle.model_failed(self._name, reason)

    def _is_served(self, version: PolledVersion) -> bool:
        served = self._served.get(version.version)
        return served is not None and served.key == version.key

    def _may_change_in_place(self, version: PolledVersion) -> bool:
        served = self._served.get(version.version)
        return served is not None and served.key.differs_in_instances_alone(version.key)

    def _build(
        self, polled: PolledModel, versions: Iterable[PolledVersion]
    ) -> dict[int, tuple[BuiltVersion, int]]:
        """Return the built versions and how long each took; all of `versions`, or raise."""
        parts = self._parts
        wanted = sorted(versions, key=self._may_change_in_place)
        parts.lifecycle.loading(self._name, (version.version for version in wanted))
        built: dict[int, tuple[BuiltVersion, int]] = {}
        failures: dict[int, str] = {}
        for version in wanted:
            if failures and self._may_change_in_place(version):
                break  # those that are left all may, and shall stay as they are
            parts.log.info(f"loading: {self._name}:{version.version}")
            started_ns = parts.clock.monotonic_ns()
            try:
                served = self._served.get(version.version)
                built[version.version] = (
                    parts.loader.build(polled, version, served.key if served else None),
                    parts.clock.monotonic_ns() - started_ns,
                )
            except Exception as error:  # a bug in one loader must not leave a version loading
                failures[version.version] = _reason_of(error)
        if failures:
            self._note_served(
                {
                    **self._served,
                    **self._served_by(one for one in built.items() if one[1][0].model is None),
                }
            )
            unused = tuple(built)
            # Here and now, on this thread: the error that is raised refers to this frame, and who
            # drops it, perhaps the event loop, would join the instances and free the sessions.
            built.clear()
            self._give_up(unused, failures)
        return built

    def _give_up(self, unused: Iterable[int], failures: Mapping[int, str]) -> NoReturn:
        parts = self._parts
        for version, reason in failures.items():
            parts.log.error(f"failed to load '{self._name}' version {version}: {reason}")
        reasons = {**dict.fromkeys(unused, UNLOADED), **failures}
        parts.core.note_unavailable(
            self._name,
            [
                version
                for version, reason in reasons.items()
                if parts.lifecycle.not_loaded(self._name, version, reason)
            ],
        )
        lines = "".join(
            f"version {version} is at UNAVAILABLE state: {reason};\n"
            for version, reason in failures.items()
        )
        raise InvalidArgError(f"load failed for model '{self._name}': {lines}")

    def _publish(self, polled: PolledModel, built: Mapping[int, tuple[BuiltVersion, int]]) -> None:
        parts = self._parts
        selected = [version.version for version in polled.versions]
        old = self._served
        new = self._served_by(built.items())
        kept = {
            version: _with_policy(old[version], polled.config)
            for version in selected
            if version not in new
        }
        retired = [version for version in old if version not in selected]
        # Configs are there before the core serves the versions, and until it serves them no more.
        self._note_served({**old, **kept, **new})
        if built:
            # Apart, because replacing a version blocks until the old one is idle: what is new
            # serves by then, and is to read READY.
            self._serve([result for version, (result, _) in built.items() if version not in old])
            self._serve([result for version, (result, _) in built.items() if version in old])
            parts.log.info(f"successfully loaded '{self._name}'")
        if retired:
            self._retire(retired)
        # What failed before and is not chosen any more does not count any more.
        parts.lifecycle.forget_failures(self._name)

    def _served_by(
        self, built: Iterable[tuple[int, tuple[BuiltVersion, int]]]
    ) -> dict[int, ServedVersion]:
        return {
            version: ServedVersion(
                self._name,
                version,
                result.config,
                duration_ns,
                result.key,
                result.labels,
                result.content_digest,
            )
            for version, (result, duration_ns) in built
        }

    def _serve(self, built: Sequence[BuiltVersion]) -> None:
        models = [one.model for one in built if one.model is not None]
        if models:
            self._parts.core.publish(self._name, models, [])
        if built:
            self._parts.lifecycle.ready(self._name, [one.version for one in built])

    def _note_served(self, served: Mapping[int, ServedVersion]) -> None:
        self._composing = composing_models(served[max(served)].config) if served else ()
        self._served = served
        self._parts.dependents.note(self._name, self.composing)

    def _retire(self, versions: Iterable[int]) -> None:
        parts = self._parts
        gone = tuple(versions)
        parts.lifecycle.unloading(self._name, gone)
        parts.core.publish(self._name, [], gone)
        self._note_served(
            {version: one for version, one in self._served.items() if version not in gone}
        )
        parts.lifecycle.unloaded(self._name, gone)
        for version in gone:
            parts.log.info(f"successfully unloaded '{self._name}' version {version}")


def poll_failure(name: str, cause: str) -> InternalError:
    """Return what Triton says of a model that cannot be looked at, and after it why not."""
    return InternalError(f"failed to load '{name}', failed to poll from model repository: {cause}")


def _with_policy(served: ServedVersion, config: ModelConfig) -> ServedVersion:
    updated = ModelConfig()
    updated.CopyFrom(served.config)
    updated.version_policy.CopyFrom(config.version_policy)
    return replace(served, config=updated)


def _reason_of(error: Exception) -> str:
    if isinstance(error, TritonError):
        return failure_reason(error)
    return failure_reason(InternalError(f"{type(error).__name__}: {error}"))
