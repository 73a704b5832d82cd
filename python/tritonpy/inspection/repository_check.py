"""Checks all models of some repositories, and then each ensemble against its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tritonpy.config.platforms import ENSEMBLE
from tritonpy.errors import InvalidArgError, TritonError
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

    models: Mapping[str, CheckedModel]  # by name
    problems: tuple[Problem, ...]  # of all models, by name, and of the repositories


def check_repositories(
    repositories: Sequence[Path], options: CheckOptions, log: Logger
) -> CheckedRepositories:
    """Check every model. `log` is told of directories that cannot be read.

    Raises as RepositoryLayout for what is no repository.
    """
    places = RepositoryLayout(repositories, log).models()
    problems = [problem for one in repositories for problem in repository_problems(one)]
    checked = {name: check_model(locations[0], options) for name, locations in places.items()}
    ensembles = _Ensembles(checked, places)
    models = {name: ensembles.checked(name) for name in checked}
    for name, model in models.items():
        problems += model.problems
        problems += (_duplicate(other, places[name][0]) for other in places[name][1:])
    return CheckedRepositories(models, tuple(problems))


def _duplicate(other: ModelLocation, first: ModelLocation) -> Problem:
    return Problem(
        other.path,
        f"{DUPLICATE}: it is {first.path} too, and a server loads neither",
        "rename or remove one of the directories",
    )


class _Ensembles:
    """Checks ensembles, each after what it needs. Confined; what ensembles ask as they load."""

    def __init__(
        self,
        models: Mapping[str, CheckedModel],
        places: Mapping[str, Sequence[ModelLocation]],
    ) -> None:
        self._alone = models
        self._places = places
        self._needs = {
            name: () if model.config is None else composing_models(model.config)
            for name, model in models.items()
        }
        self._checked: dict[str, CheckedModel] = {}

    def checked(self, name: str) -> CheckedModel:
        """Return a model as it is after the check against what it needs."""
        known = self._checked.get(name)
        if known is None:
            known = self._checked[name] = self._check(self._alone[name])
        return known

    def is_available(self, name: str) -> bool:
        """Return whether there is one place, and only one, where the model could be."""
        return len(self._places.get(name, ())) == 1

    def serving(self, name: str) -> Mapping[int, ComposingVersion]:
        """Return the versions of a model that would serve."""
        if name not in self._alone:
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

    def _check(self, model: CheckedModel) -> CheckedModel:
        if model.config is None or model.of_config is None or not model.is_sound:
            return model
        if model.config.platform != ENSEMBLE:
            return model
        try:
            self._require_no_circle(model.config.name)
            loaded = load_ensemble(model.config, 1, model.labels, self)
        except TritonError as error:
            found = tuple(map(model.of_config.of, error.message.split("\n")))
            return replace(model, problems=(*model.problems, *found))
        return replace(model, config=loaded.config, labels=loaded.labels)

    def _require_no_circle(self, name: str) -> None:
        circle = circle_through(name, self._needs)
        if circle:
            raise InvalidArgError(f"circular dependency between ensembles: {' -> '.join(circle)}")
