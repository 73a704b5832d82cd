"""The model repository: which models there are, which serve, and the calls that change that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial

from tritonpy.config.instance_groups import Devices
from tritonpy.errors import TritonError, UnavailableError
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository.change_watch import ChangeWatch
from tritonpy.repository.clock import Clock
from tritonpy.repository.cloud import Mirrors
from tritonpy.repository.demand import MemoryBudget, OnDemand
from tritonpy.repository.futures import followed_by, joined
from tritonpy.repository.index import IndexEntry, index_entries
from tritonpy.repository.layout import Logger, RepositoryLayout
from tritonpy.repository.lifecycle import Lifecycle, ModelState
from tritonpy.repository.load_parameters import (
    ParameterValue,
    override_of,
    require_loadable_name,
    unloads_dependents,
)
from tritonpy.repository.load_session import LoadSession
from tritonpy.repository.loader_threads import LoaderThreads
from tritonpy.repository.model_loader import ModelLoader
from tritonpy.repository.model_table import MakeLoader, ModelTable
from tritonpy.repository.model_trees import is_being_written
from tritonpy.repository.model_versions import ServedVersion
from tritonpy.repository.poll_thread import PollThread
from tritonpy.repository.python_models import NoPythonModels, PythonModels
from tritonpy.repository.serving_core import ServingCore
from tritonpy.rollouts import Rollouts


class ModelRepository:
    """The public face of everything here. Thread-safe.

    Loading and unloading run on threads of their own; `submit_*` returns at once, `load`, `unload`
    and `load_all` block. Reading never waits for them.
    """

    def __init__(
        self,
        core: ServingCore,
        log: Logger,
        options: RepositoryOptions,
        *,
        devices: Devices | None = None,
        clock: Clock | None = None,
        python_models: PythonModels | None = None,
        mirrors: Mirrors | None = None,
    ) -> None:
        """Raise as RepositoryLayout for a repository that cannot be used. Loads nothing yet.

        `python_models` is None where nobody runs them. Takes `mirrors` over.
        """
        self._core = core
        self._log = log
        self._options = options
        self._mirrors = mirrors or Mirrors(log)
        self._layout = self._make_layout()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._lifecycle = Lifecycle(self._tell_listeners)
        clock, python_models = clock or Clock(), python_models or NoPythonModels()
        self.rollouts = Rollouts(core)
        self.on_demand = self._make_on_demand(clock)
        self.budget = MemoryBudget(
            options.memory_budget,
            self._evict,
            self.on_demand.least_recently_used if self.on_demand else tuple,
            python_models.memory_bytes,
        )
        load = partial(
            ModelLoader, core, log, options, devices or Devices(), python_models.complete
        )
        self._models = self._make_table(clock, load)
        self._threads = LoaderThreads(options.load_threads)
        self._watch = ChangeWatch(lambda model: is_being_written(self._layout.locate(model)))
        self._poller = PollThread(self.poll, options.poll_interval_s, log)
        self._started = False
        self._exiting = False

    def load_all(self) -> bool:
        """Load what is to be there from the start; return whether all of it serves."""
        names = self._startup_names()
        try:
            succeeded = self._load_together(self._offer_rest(names))
        except UnavailableError:  # the server was told to exit
            return False
        self._started = True
        self._tell_listeners()
        if self.on_demand is not None:
            self.on_demand.start()
        if self._polls and self._options.poll_interval_s:
            self._poller.start()
        return succeeded

    def poll(self) -> bool:
        """Load and unload what has changed in repositories since the last look; wait for it.

        Returns whether something there still changes, and is to be looked at again soon. One thread
        at a time, after `load_all`.
        """
        self._mirrors.look()
        trees = self._mirrors.trees(self._layout.models())
        changes = self._watch.look(trees, all_seen=not self._layout.has_unreadable)
        with suppress(UnavailableError):  # the server was told to exit
            for name in changes.removed:
                if self._models.find(name) is not None:
                    self._has_ended(name, self._session().unload(name, with_composing=False))
            changed = self._offer_rest(changes.changed)
            self._load_together([*changed, *self._waiting_for(changed)])
        return changes.unsettled

    def submit_load(
        self, name: str, parameters: Mapping[str, ParameterValue] | None = None
    ) -> Future[None]:
        """Begin to load a model, or to bring it up to date.

        Raises UnavailableError when models are not controlled explicitly, InvalidArgError and
        UnsupportedError for a wrong name or parameter; the future raises as ModelEntry.load.
        """
        self._require_explicit_control()
        require_loadable_name(name)
        override = override_of(parameters or {})
        session = self._session()

        def load() -> Future[None]:
            return joined([session.load(model, override) for model in self._called(name)])

        if not self._options.model_namespacing or self._layout.named(name):
            return load()
        # Which namespaces have it is known when clouds were asked, and that takes a while.
        looked = self._threads.submit(name, partial(self._mirrors.look_for, name))
        return followed_by(looked, load)

    def submit_unload(
        self, name: str, parameters: Mapping[str, ParameterValue] | None = None
    ) -> Future[None]:
        """Begin to unload a model; one that is not known is unloaded already."""
        self._require_explicit_control()
        with_composing = unloads_dependents(parameters or {})
        session = self._session()
        models = self._models.called(name)
        return joined([session.unload(one, with_composing=with_composing) for one in models])

    def load(self, name: str, parameters: Mapping[str, ParameterValue] | None = None) -> None:
        """Load a model and wait for it; errors as `submit_load`."""
        self.submit_load(name, parameters).result()

    def unload(self, name: str, parameters: Mapping[str, ParameterValue] | None = None) -> None:
        """Unload a model and wait until its last request is answered."""
        self.submit_unload(name, parameters).result()

    def is_out(self, name: str) -> bool:
        """Return whether a model is on demand and not in memory: requests for it would wait.

        Raises UnavailableError where it has just failed to load.
        """
        return self.on_demand is not None and self.on_demand.is_out(name)

    def submit_wanted(self, name: str) -> Future[None] | None:
        """Begin to load a model that `is_out`; None for any other. Errors: is_out, submit_load."""
        return None if self.on_demand is None else self.on_demand.bring(name)

    def index(self, *, ready_only: bool = False) -> list[IndexEntry]:
        """Return every model of the repositories and every version that was ever to load."""
        entries = index_entries(self._lifecycle.snapshot(), self._layout.models())
        return [one for one in entries if not ready_only or one.state is ModelState.READY]

    def served(self, name: str, version: int = -1) -> ServedVersion:
        """Return the version that a request for `version` (-1: the newest) goes to.

        Raises NotFoundError or UnavailableError with the texts that inference gives.
        """
        resolved = self._core.resolve_version(name, version)
        entries = [
            entry for model in self._models.called(name) if (entry := self._models.find(model))
        ]
        served = next(
            (entry.served[resolved] for entry in entries if resolved in entry.served), None
        )
        if served is None:  # unloaded between the two looks
            raise UnavailableError(
                f"Request for unknown model: '{name}' version {resolved} is not at ready state"
            )
        return served

    def ready_versions(self, name: str) -> tuple[int, ...]:
        """Return the versions of a model that serve, ascending; none for a model not known."""
        return tuple(
            version
            for model in self._models.called(name)
            for version in self._lifecycle.status(model).ready_versions
        )

    def served_versions(self, name: str) -> list[ServedVersion]:
        """Return every version of one model that serves, by number; none for one not known."""
        return [one for model in self._models.called(name) for one in self._models.served(model)]

    def all_served(self) -> list[ServedVersion]:
        """Return every version that serves, by identifier and number."""
        return [one for model in self._models.identifiers() for one in self._models.served(model)]

    def is_ready(self, *, strict: bool) -> bool:
        """Return whether the server can do what it should; not `strict` forgives failed models."""
        if not self._started or self._exiting:
            return False
        if not strict or self._lifecycle.is_healthy:
            return True
        # Who asks for a model on demand hears of its failure; the server is none the worse for it.
        on_demand = self.on_demand
        return on_demand is not None and all(map(on_demand.is_offered, self._lifecycle.unhealthy))

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after everything that may change is_ready or is_exiting.

        The thread that made the change calls it, so it must neither block nor raise.
        """
        self._listeners = (*self._listeners, listener)

    def note_change(self) -> None:
        """Tell the listeners that models may be able to run again, or no more."""
        self._tell_listeners()

    @property
    def has_started(self) -> bool:
        """Whether what was to be there from the start is loaded, or has failed to load."""
        return self._started

    @property
    def is_exiting(self) -> bool:
        """Whether the server is on its way out: nothing is loaded any more."""
        return self._exiting

    def begin_exit(self) -> None:
        """From now on nothing is ready, and loads and unloads are refused or dropped."""
        self._exiting = True
        self._tell_listeners()
        self._poller.ask_to_stop()
        self._mirrors.stop()
        if self.on_demand is not None:
            self.on_demand.stop()
        self._threads.cancel_waiting()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is being loaded or unloaded; whether that came in time. Blocks."""
        return self._threads.wait_until_idle(timeout_s)

    def close(self) -> None:
        """Wait for loads that run, drop those that wait, and unload everything. Blocks."""
        self.begin_exit()
        if self.on_demand is not None:
            self.on_demand.join()
        self._threads.close()
        self._poller.join()
        for model in self._models.identifiers():
            self._models.unload(model)
        self._mirrors.close()

    def remove_copies(self) -> None:
        """Remove what came from clouds, whoever still uses it, before the process is left."""
        self._mirrors.remove()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()

    def _require_explicit_control(self) -> None:
        if self._exiting:
            raise UnavailableError("Server exiting")
        if self._options.control_mode is not ControlMode.EXPLICIT:
            raise UnavailableError(
                "explicit model load / unload is not allowed if polling is enabled"
            )

    def _startup_names(self) -> list[str]:
        explicit = self._options.control_mode is ControlMode.EXPLICIT
        if explicit and self._options.startup_models != ("*",):
            return [model for name in self._options.startup_models for model in self._called(name)]
        models = self._layout.models()
        return list(self._watch.begin(self._mirrors.trees(models)) if self._polls else models)

    def _make_layout(self) -> RepositoryLayout:
        options, mirrors = self._options, self._mirrors
        try:
            return RepositoryLayout(
                (*options.paths, *mirrors.directories),
                self._log,
                options.model_file,
                namespacing=options.model_namespacing,
                namespaces=mirrors.namespaces,
            )
        except TritonError:
            mirrors.close()
            raise

    def _make_table(self, clock: Clock, make_loader: MakeLoader) -> ModelTable:
        return ModelTable(
            self._core,
            self._log,
            self._layout,
            self._mirrors,
            self._lifecycle,
            clock,
            self.rollouts,
            self.budget,
            self.on_demand,
            make_loader,
        )

    def _make_on_demand(self, clock: Clock) -> OnDemand | None:
        options = self._options
        if not options.load_on_demand:
            return None
        demands = self._core.model_demands
        return OnDemand(demands, clock, self._load_wanted, options.pinned_models)

    def _offer_rest(self, names: Sequence[str]) -> Sequence[str]:
        """Return which of the models to be loaded are to be loaded now; the rest is on demand."""
        on_demand = self.on_demand
        if on_demand is None:
            return names
        if not self._started and self._options.control_mode is ControlMode.EXPLICIT:
            now, rest = names, [one for one in self._layout.models() if one not in names]
        else:
            now = [one for one in names if self.ready_versions(one)]
            rest = [one for one in names if one not in now]
        on_demand.offer(self._models.expected(one for one in rest if not on_demand.is_pinned(one)))
        named = (model for name in self._options.pinned_models for model in self._called(name))
        pinned = [one for one in rest if on_demand.is_pinned(one)] if self._started else named
        return list(dict.fromkeys((*now, *pinned)))

    def _load_wanted(self, name: str) -> Future[None]:
        return self._session().load(name)

    def _evict(self, name: str, patience_s: float) -> bool:
        evicted = False

        def evict() -> None:
            nonlocal evicted
            evicted = self._models.evict(name, patience_s)

        return self._threads.run_here(name, evict, patience_s) and evicted

    def _called(self, name: str) -> Sequence[str]:
        """Return the identifiers of what is to load by a name; looks at directories for that."""
        if not self._options.model_namespacing:
            return (name,)
        return [place.identifier for place in self._layout.named(name)] or (name,)

    @property
    def _polls(self) -> bool:
        return self._options.control_mode is ControlMode.POLL

    def _waiting_for(self, changed: Sequence[str]) -> list[str]:
        """Return the ensembles that could not load so far, and need one of these models."""
        return [
            name
            for name in self._models.identifiers()
            if name not in changed
            and not self.ready_versions(name)
            and not set(changed).isdisjoint(self._needs(name))
        ]

    def _needs(self, name: str) -> Sequence[str]:
        try:
            return self._models.composing(name, None)
        except TritonError:  # it does not come from its cloud, and the log says so
            return ()

    def _load_together(self, names: Sequence[str]) -> bool:
        """Load models, each after what it needs; return whether all of them serve. Blocks."""
        session = self._session()
        loads = {name: session.load(name) for name in names}
        ended = [self._has_ended(name, load) for name, load in loads.items()]
        return all(ended)

    def _has_ended(self, name: str, job: Future[None]) -> bool:
        """Wait for a load or unload; return whether it went well."""
        try:
            job.result()
        except (CancelledError, TritonError):  # told to exit; or the load itself said why
            return False
        except Exception as error:  # a bug, which must not stop the other models
            self._log.error(f"'{name}' is not served: {type(error).__name__}: {error}")
            return False
        return True

    def _session(self) -> LoadSession:
        return LoadSession(self._threads, self._models)
