"""What tells a model from its namesakes in other repositories: `<namespace>/<name>`.

A namespace is the path of a repository, or the address of one in a cloud, so an identifier is
where the model is. Without `--model-namespacing` there is none, and a model's identifier is its
name. Names have no '/'.
"""

from __future__ import annotations

from tritonpy.protos.model_config_pb2 import ModelEnsembling


def identifier_of(name: str, namespace: str) -> str:
    """Return the identifier of a model."""
    return f"{namespace}/{name}" if namespace else name


def name_of(identifier: str) -> str:
    """Return what clients call the model of an identifier."""
    return identifier.rpartition("/")[2]


def namespace_of(identifier: str) -> str:
    """Return the namespace of an identifier, empty where it has none."""
    return identifier.rpartition("/")[0]


def step_identifier(step: ModelEnsembling.Step) -> str:
    """Return the identifier of an ensemble step's model."""
    return identifier_of(step.model_name, step.model_namespace)
