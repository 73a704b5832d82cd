"""The models by name, and what loads and unloads do to each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from tritonpy.config.config_json import config_from_json
from tritonpy.config.identifier import name_of, namespace_of
from tritonpy.errors import InternalError, InvalidArgError, TritonError
from tritonpy.protos.model_config_pb2 import ModelConfig
from tritonpy.repository.clock import Clock
from tritonpy.repository.cloud import Mirrors
from tritonpy.repository.demand import (
    MemoryBudget,
    ModelExpectation,
    OnDemand,
    expectation_of,
)
from tritonpy.repository.dependencies import Dependents
from tritonpy.repository.ensemble_loader import ComposingModels, ComposingVersion
from tritonpy.repository.layout import Logger, ModelLocation, RepositoryLayout
from tritonpy.repository.lifecycle import Lifecycle, ModelState, failure_reason
from tritonpy.repository.load_parameters import LoadOverride
from tritonpy.repository.model_entry import ModelEntry, RepositoryParts, poll_failure
from tritonpy.repository.model_loader import ModelLoader
from tritonpy.repository.model_versions import ServedVersion
from tritonpy.repository.override_directory import OverrideDirectory
from tritonpy.repository.serving_core import ServingCore
from tritonpy.rollouts import RolloutPlan, Rollouts

# With the models that ensembles are composed of, and RepositoryLayout.namespace_for.
MakeLoader: TypeAlias = Callable[[ComposingModels, Callable[[str, str], str]], ModelLoader]
DUPLICATE = "model appears in two or more repositories"


class ModelTable:
    """The models by identifier, which is the name where there are no namespaces.

    Thread-safe. `composing` to `refuse` run on loader threads, one at a time for one model.

    Does what `LoadSession` asks of models, and tells loads of ensembles what serves.
    """

    def __init__(
        self,
        core: ServingCore,
        log: Logger,
        layout: RepositoryLayout,
        mirrors: Mirrors,
        lifecycle: Lifecycle,
        clock: Clock,
        rollouts: Rollouts,
        budget: MemoryBudget,
        on_demand: OnDemand | None,
        make_loader: MakeLoader,
    ) -> None:
        self._log = log
        self._layout = layout
        self._rollouts = rollouts
        self._on_demand = on_demand
        self._mirrors = mirrors
        self._lifecycle = lifecycle
        loader = make_loader(self, layout.namespace_for)
        self._parts = RepositoryParts(core, loader, lifecycle, log, clock, budget, Dependents())
        self._lock = threading.Lock()
        self._entries: dict[str, ModelEntry] = {}

    def find(self, identifier: str) -> ModelEntry | None:
        """Return a model that was ever to load."""
        with self._lock:
            return self._entries.get(identifier)

    def identifiers(self) -> list[str]:
        """Return every model that was ever to load, in order."""
        with self._lock:
            return sorted(self._entries)

    def called(self, name: str) -> list[str]:
        """Return those of one name, or of one identifier."""
        if self.find(name) is not None:
            return [name]
        return [one for one in self.identifiers() if name_of(one) == name]

    def composing(self, name: str, override: LoadOverride | None) -> Sequence[str]:
        """Bring a model here and read which models it needs; none where that cannot be read.

        Raises InternalError for a model that is in a cloud and does not come.
        """
        if override is None or not override.files:
            self._fetch(name)
        if override is not None:
            with suppress(InvalidArgError):  # the load says so
                config = config_from_json(override.config)
                location = ModelLocation(name_of(name), Path(name), namespace=namespace_of(name))
                return self._parts.loader.composing(location, config)
            return ()
        places = self._layout.locate(name)
        return self._entry(name).composing_on_disk(places[0]) if len(places) == 1 else ()

    def served_composing(self, name: str) -> Sequence[str]:
        """Return which models this one serves with; reads nothing."""
        entry = self.find(name)
        return () if entry is None else entry.composing

    def dependents(self, name: str) -> Sequence[str]:
        """Return the ensembles that serve, or would, and need this model directly."""
        return self._parts.dependents.of(name)

    def load(self, name: str, override: LoadOverride | None) -> None:
        """Load a model whose needs are loaded, or bring it up to date; errors as ModelEntry."""
        with self._parts.budget.loading(name):
            self._load(name, override)

    def _load(self, name: str, override: LoadOverride | None) -> None:
        config = None if override is None else self._config_of(name, override)
        if config is not None and override is not None and override.files:
            if self._on_demand is not None:
                self._on_demand.withdraw(name)  # what a call brought is nowhere else
            self._entry(name).load_files(self._written(name, override.files), config)
            return
        location = self._locate(name)
        rollout = self._checked_rollout(name, location)
        self._entry(name).load(location, config)
        self._rollouts.loaded(name, location.path, rollout)
        self._warn_of_shadow(name, rollout)
        if self._on_demand is not None:
            self._on_demand.loaded(name)

    def refresh(self, name: str) -> None:
        """Bring an ensemble in line with models that have changed; take it out where it fails."""
        entry = self._entry(name)
        try:
            location = entry.override_location or self._locate(name)
        except TritonError:
            entry.suspend()
        else:
            entry.refresh(location)

    def suspend(self, name: str) -> None:
        """Take an ensemble out until the model that it misses is back."""
        self._entry(name).suspend()

    def unload(self, name: str) -> None:
        """Take a model out; blocks until its last requests are answered."""
        if self._on_demand is not None:
            self._on_demand.withdraw(name)
        self._rollouts.unloaded(name)
        self._entry(name).unload()
        self._mirrors.release(name)

    def evict(self, name: str, patience_s: float) -> bool:
        """Take a model out of memory for others, as ModelEntry; whether it is out."""
        evicted = self._entry(name).evict(patience_s)
        if evicted and self._on_demand is not None:
            self._on_demand.evicted(name)
        return evicted

    def expected(self, identifiers: Iterable[str]) -> dict[str, ModelExpectation]:
        """Read what is to be expected of models on disk before they are loaded.

        Their rollouts are in force from then on, so that a request may name a label.
        """
        return {one: self._expected(one) for one in identifiers}

    def refuse(self, name: str, error: TritonError) -> None:
        """Note that a model cannot be loaded, and raise."""
        self._entry(name).refuse(error)

    def is_available(self, name: str) -> bool:
        """Return whether there is one place, and only one, where the model could be."""
        entry = self.find(name)
        if entry is not None and entry.override_location is not None:
            return True
        return len(self._layout.locate(name)) == 1

    def serving(self, name: str) -> Mapping[int, ComposingVersion]:
        """Return the versions of a model that serve, as far as an ensemble asks."""
        entry = self.find(name)
        known = () if entry is None else self.served(name) or entry.known.values()
        return {
            one.version: ComposingVersion(one.version, one.config, one.labels, one.content)
            for one in known
        }

    def served(self, identifier: str) -> list[ServedVersion]:
        """Return every version of a model that serves, by number; none for one not known."""
        entry = self.find(identifier)
        if entry is None:
            return []
        served = entry.served
        ready = self._lifecycle.status(identifier).ready_versions
        return [served[version] for version in ready if version in served]

    def failure(self, name: str) -> str:
        """Return why a model does not serve; empty where nobody tried to load it."""
        status = self._lifecycle.status(name)
        failed = [
            f"version {version} is at UNAVAILABLE state: {of_version.reason};"
            for version, of_version in sorted(status.versions.items())
            if of_version.state is ModelState.UNAVAILABLE
        ]
        return "".join(failed) or status.reason

    def _expected(self, identifier: str) -> ModelExpectation:
        places = self._layout.locate(identifier)
        if len(places) != 1:
            return ModelExpectation(name_of(identifier))
        (location,) = places
        with suppress(InvalidArgError):  # the load says so
            self._rollouts.loaded(identifier, location.path, self._read_rollout(location))
        return expectation_of(identifier, self._parts.loader.as_written(location))

    def _config_of(self, name: str, override: LoadOverride) -> ModelConfig:
        try:
            return config_from_json(override.config)
        except InvalidArgError as error:
            raise self._refused(name, error) from error

    def _checked_rollout(self, name: str, location: ModelLocation) -> RolloutPlan | None:
        try:
            return self._read_rollout(location)
        except InvalidArgError as error:
            raise self._refused(name, error) from error

    def _read_rollout(self, location: ModelLocation) -> RolloutPlan | None:
        return None if location.file is not None else self._rollouts.read(location.path)

    def _warn_of_shadow(self, name: str, rollout: RolloutPlan | None) -> None:
        served = self._entry(name).served
        if rollout is None or rollout.shadow is None or not served:
            return
        config = served[max(served)].config
        if config.HasField("sequence_batching") or config.model_transaction_policy.decoupled:
            self._log.warning(
                f"model '{name}' is not shadowed: requests of sequences, and those that are "
                "answered more than once, have no second answer to compare"
            )

    def _written(self, name: str, files: Mapping[str, bytes]) -> OverrideDirectory:
        try:
            return OverrideDirectory(name, files)
        except TritonError as error:
            raise self._refused(name, error) from error

    def _refused(self, name: str, error: TritonError) -> InternalError:
        self._log.error(f"Poll failed for model '{name}': {error.message}")
        return poll_failure(name, error.message)

    def _fetch(self, name: str) -> None:
        try:
            self._mirrors.fetch(name, serves=bool(self._entry(name).served))
        except TritonError as error:
            if not self._entry(name).served:
                self._lifecycle.model_failed(name, failure_reason(error))
            raise self._refused(name, error) from error

    def _locate(self, name: str) -> ModelLocation:
        places = self._layout.locate(name)
        if len(places) == 1:
            return places[0]
        if places:
            reason = DUPLICATE
            self._log.error(f"'{name}' is ignored: {DUPLICATE}")
            if not self._entry(name).served:
                self._lifecycle.model_failed(name, DUPLICATE)
        else:
            reason = "model not found in any model repository"
            self._log.error(f"failed to load '{name}': {reason}")
        raise poll_failure(name, reason)

    def _entry(self, name: str) -> ModelEntry:
        with self._lock:
            return self._entries.setdefault(name, ModelEntry(name, self._parts))
