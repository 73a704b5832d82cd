"""Loads one version of an ensemble: no file and no backend, but models that serve already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from tritonpy.config.fit_ensemble import fit_ensemble, inherited_labels
from tritonpy.config.identifier import step_identifier
from tritonpy.config.lower_ensemble import lower_ensemble
from tritonpy.config.model_config import CoreModelConfig, lower
from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig, ModelEnsembling
from tritonpy.repository.dependencies import composing_models

# Ensembles inside each other, the outermost included: far more than anybody means, and bounded
# because each is a few frames of the stack that carries a request through them.
_DEPTH_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class ComposingVersion:
    """A version that serves, as far as an ensemble asks."""

    version: int
    config: ModelConfig
    labels: Mapping[str, tuple[str, ...]]  # by output
    content: bytes = b""  # another, when the version was loaded from other files


class ComposingModels(Protocol):
    """What serves now; the repository knows."""

    def is_available(self, name: str) -> bool:
        """Return whether there is one place, and only one, where the model could be."""

    def serving(self, name: str) -> Mapping[int, ComposingVersion]:
        """Return the versions of a model that serve."""

    def failure(self, name: str) -> str:
        """Return why a model does not serve; empty where nobody tried to load it."""


@dataclass(frozen=True, slots=True)
class LoadedEnsemble:
    """What became of an ensemble's config: completed, lowered, and its outputs' labels."""

    config: ModelConfig
    lowered: CoreModelConfig
    labels: Mapping[str, tuple[str, ...]]


def load_ensemble(
    config: ModelConfig,
    version: int,
    own_labels: Mapping[str, tuple[str, ...]],
    models: ComposingModels,
    tell: Tell = tell_nobody,
) -> LoadedEnsemble:
    """Check an ensemble against the models that it is composed of, and complete it.

    Raises InvalidArgError where one does not serve, or does not fit.
    """
    unknown = [name for name in composing_models(config) if not models.is_available(name)]
    if unknown:
        raise InvalidArgError(
            f"ensemble {config.name} contains models that are not available or ambiguous: "
            f"{', '.join(unknown)}"
        )
    steps = [
        _serving_version(config.name, step, models) for step in config.ensemble_scheduling.step
    ]
    configs = [step.config for step in steps]
    if _depth(config, models, _DEPTH_MAX) > _DEPTH_MAX:
        raise InvalidArgError(
            f"ensemble '{config.name}' contains ensembles nested more than {_DEPTH_MAX} deep"
        )
    fitted = fit_ensemble(config, configs, tell)
    labels = inherited_labels(fitted, own_labels, [step.labels for step in steps])
    ensemble = lower_ensemble(fitted, configs)
    return LoadedEnsemble(fitted, lower(fitted, version, "", labels, ensemble=ensemble), labels)


def composing_fingerprint(config: ModelConfig, models: ComposingModels) -> bytes:
    """Return bytes that change when the ensemble must be loaded again for a model's sake.

    That is when the model's config changes, but for its instances; with its files alone, answers
    that were kept do.
    """
    return _fingerprint(config, models, keeps_answers=config.response_cache.enable)


def _fingerprint(config: ModelConfig, models: ComposingModels, *, keeps_answers: bool) -> bytes:
    parts = []
    for name in composing_models(config):
        for version, served in sorted(models.serving(name).items()):
            compared = ModelConfig()
            compared.CopyFrom(served.config)
            compared.ClearField("instance_group")
            text = compared.SerializeToString(deterministic=True)
            if keeps_answers:
                text += served.content + _fingerprint(served.config, models, keeps_answers=True)
            parts.append(b"%s:%d:%d:%s" % (name.encode(), version, len(text), text))
    return b"".join(parts)


def _depth(config: ModelConfig, models: ComposingModels, at_most: int) -> int:
    """Return how many ensembles lie inside each other; counts no further than one above the most.

    That also ends where models that were loaded one by one have come to need each other.
    """
    inner = [
        served.config
        for name in composing_models(config)
        for served in models.serving(name).values()
        if composing_models(served.config)
    ]
    if at_most == 0 or not inner:
        return 1
    return 1 + max(_depth(one, models, at_most - 1) for one in inner)


def _serving_version(
    ensemble: str, step: ModelEnsembling.Step, models: ComposingModels
) -> ComposingVersion:
    name, version = step_identifier(step), step.model_version
    serving = models.serving(name)
    if not serving:
        raise InvalidArgError(
            f"ensemble '{ensemble}' depends on '{name}' which has no loaded version. Model "
            f"'{name}' loading failed with error: {models.failure(name)}"
        )
    if version <= 0:  # -1, or not given: the newest
        return serving[max(serving)]
    if version not in serving:
        raise InvalidArgError(
            f"ensemble '{ensemble}' depends on '{name}' whose required version {version} is not "
            "loaded"
        )
    return serving[version]
