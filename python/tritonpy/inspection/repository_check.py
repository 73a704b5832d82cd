"""Checks all models of some repositories, and then each ensemble against its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tritonpy.config.identifier import name_of
from tritonpy.config.platforms import ENSEMBLE
from tritonpy.errors import InvalidArgError, NotFoundError, TritonError
from tritonpy.inspection.layout_check import repository_problems
from tritonpy.inspection.model_check import CheckedModel, CheckOptions, check_model
from tritonpy.inspection.problem import Problem
from tritonpy.repository.dependencies import circle_through, composing_models
from tritonpy.repository.ensemble_loader import ComposingVersion, load_ensemble
from tritonpy.repository.layout import Logger, ModelLocation, RepositoryLayout
from tritonpy.repository.model_table import DUPLICATE


@dataclass(frozen=True, slots=True)
class CheckedRepositories:
    """What is known after a check of everything."""

    models: Mapping[str, CheckedModel]  # by identifier
    problems: tuple[Problem, ...]  # of all models, by identifier, and of the repositories


def check_repositories(
    repositories: Sequence[Path], options: CheckOptions, log: Logger
) -> CheckedRepositories:
    """Check every model. `log` is told of directories that cannot be read.

    Raises as RepositoryLayout for what is no repository.
    """
    checks = _checks(repositories, options, log)
    problems = [problem for one in repositories for problem in repository_problems(one)]
    models = {identifier: checks.checked(identifier) for identifier in checks.places}
    for identifier, model in models.items():
        problems += model.problems
        problems += _duplicates(checks.places[identifier])
    return CheckedRepositories(models, tuple(problems))


def check_one(
    repositories: Sequence[Path], name: str, options: CheckOptions, log: Logger
) -> CheckedModel:
    """Check one model, and of the others only those that it is composed of.

    Raises as RepositoryLayout, NotFoundError for a model that is not there, InvalidArgError for one
    that several repositories have, each for itself.
    """
    checks = _checks(repositories, options, log)
    called = [identifier for identifier in checks.places if name_of(identifier) == name]
    if not called:
        where = ", ".join(map(str, repositories))
        raise NotFoundError(f"there is no model '{name}' in {where}")
    if len(called) > 1:
        raise InvalidArgError(f"there are several models '{name}': {', '.join(called)}")
    model = checks.checked(called[0])
    return replace(model, problems=(*model.problems, *_duplicates(checks.places[called[0]])))


def check_file(file: Path, options: CheckOptions, log: Logger) -> CheckedModel:
    """Check a model of a single file, which needs no repository."""
    checks = _Checks(RepositoryLayout((), log, file), options)
    (identifier,) = checks.places
    return checks.checked(identifier)


def _checks(repositories: Sequence[Path], options: CheckOptions, log: Logger) -> _Checks:
    namespacing = options.serving.model_namespacing
    return _Checks(RepositoryLayout(repositories, log, namespacing=namespacing), options)


def _duplicates(places: Sequence[ModelLocation]) -> Iterator[Problem]:
    for other in places[1:]:
        yield Problem(
            other.path,
            f"{DUPLICATE}: it is {places[0].path} too, and a server loads neither",
            "rename or remove one of the directories, or let repositories share names: "
            "--model-namespacing=true",
        )


class _Checks:
    """Checks models when asked, ensembles after what they need. Confined.

    It is what ensembles ask as they load.
    """

    def __init__(self, layout: RepositoryLayout, options: CheckOptions) -> None:
        self.places: Mapping[str, Sequence[ModelLocation]] = layout.models()  # by identifier
        self._layout = layout
        self._options = options
        self._alone: dict[str, CheckedModel] = {}
        self._checked: dict[str, CheckedModel] = {}

    def checked(self, name: str) -> CheckedModel:
        """Return a model as it is after the check against what it needs."""
        known = self._checked.get(name)
        if known is None:
            known = self._checked[name] = self._check(self._check_alone(name))
        return known

    def is_available(self, name: str) -> bool:
        """Return whether there is one place, and only one, where the model could be."""
        return len(self.places.get(name, ())) == 1

    def serving(self, name: str) -> Mapping[int, ComposingVersion]:
        """Return the versions of a model that would serve."""
        if name not in self.places:
            return {}
        model = self.checked(name)
        if model.config is None or not model.is_sound:
            return {}
        return {
            version: ComposingVersion(version, model.config, model.labels)
            for version in model.versions
        }

    def failure(self, name: str) -> str:
        """Return why a model would not serve."""
        return f"see what is said of '{name}'"

    def _check_alone(self, name: str) -> CheckedModel:
        known = self._alone.get(name)
        if known is None:
            place = self.places[name][0]
            known = check_model(place, self._options, self._layout.namespace_for)
            self._alone[name] = known
        return known

    def _check(self, model: CheckedModel) -> CheckedModel:
        if model.config is None or model.of_config is None or not model.is_sound:
            return model
        if model.config.platform != ENSEMBLE:
            return model
        reasons = dict(model.reasons)
        try:
            self._require_no_circle(model.location.identifier)
            loaded = load_ensemble(model.config, 1, model.labels, self, reasons.__setitem__)
        except TritonError as error:
            found = tuple(map(model.of_config.of, error.message.split("\n")))
            return replace(model, problems=(*model.problems, *found))
        return replace(model, config=loaded.config, labels=loaded.labels, reasons=reasons)

    def _require_no_circle(self, name: str) -> None:
        circle = circle_through(name, self._needs_from(name))
        if circle:
            raise InvalidArgError(f"circular dependency between ensembles: {' -> '.join(circle)}")

    def _needs_from(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return what `name` needs, what that needs, and so on, each by its name."""
        needs: dict[str, tuple[str, ...]] = {}
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one in needs or one not in self.places:
                continue
            config = self._check_alone(one).config
            needs[one] = () if config is None else composing_models(config)
            waiting += needs[one]
        return needs
