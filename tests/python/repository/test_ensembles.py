"""Goal: ensembles load after what they are composed of, and come and go with it.

Method: repositories on disk over a fake core.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping

import pytest

from tests.python.repository.fake_core import FakeModel
from tests.python.repository.model_tree import Fixture, write_model
from tritonpy.config.model_config import CoreModelConfig
from tritonpy.errors import InternalError, InvalidArgError
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository import ModelRepository, ModelState

_IDENTITY = """
backend: "identity"
max_batch_size: 8
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""


def _ensemble(*models: str, version: int = -1, tensors: str = "TYPE_FP32 dims: [ 4 ]") -> str:
    """Return a chain of models."""
    steps = "".join(
        f'step {{ model_name: "{model}" model_version: {version} '
        f'input_map {{ key: "IN" value: "{"IN" if index == 0 else f"t{index}"}" }} '
        f'output_map {{ key: "OUT" '
        f'value: "{"OUT" if index == len(models) - 1 else f"t{index + 1}"}" }} }}\n'
        for index, model in enumerate(models)
    )
    return f"""
        platform: "ensemble"
        max_batch_size: 8
        input [ {{ name: "IN" data_type: {tensors} }} ]
        output [ {{ name: "OUT" data_type: {tensors} }} ]
        ensemble_scheduling {{ {steps} }}
    """


def _write(fixture: Fixture, configs: Mapping[str, str]) -> None:
    for name, config in configs.items():
        write_model(fixture.root, name, config=config)


def _ready(repository: ModelRepository) -> set[str]:
    return {entry.name for entry in repository.index(ready_only=True)}


def _reason(repository: ModelRepository, name: str) -> str:
    return next(entry.reason for entry in repository.index() if entry.name == name)


def test_loading_an_ensemble_loads_what_it_is_composed_of_first(fixture: Fixture) -> None:
    _write(fixture, {"outer": _ensemble("inner", "b"), "inner": _ensemble("a"), "a": _IDENTITY})
    _write(fixture, {"b": _IDENTITY, "other": _IDENTITY})
    repository = fixture.open()
    repository.load("outer")
    assert _ready(repository) == {"outer", "inner", "a", "b"}
    order = [name for name, _ in fixture.core.builds]
    assert sorted(order) == ["a", "b", "inner", "outer"]
    assert order.index("a") < order.index("inner") < order.index("outer")
    assert order[-1] == "outer"


def test_ensembles_load_with_fewer_threads_than_ensembles(fixture: Fixture) -> None:
    _write(fixture, {"a": _IDENTITY, **{f"e{i}": _ensemble("a") for i in range(5)}})
    _write(fixture, {f"f{i}": _ensemble(f"e{i}") for i in range(5)})
    options = RepositoryOptions(
        paths=(fixture.root,), control_mode=ControlMode.NONE, load_threads=1
    )
    assert fixture.open(options=options).load_all()
    assert len(fixture.core.builds) == len(set(fixture.core.builds)) == 11


def test_what_the_core_is_told_of_steps(fixture: Fixture) -> None:
    unbatched = _IDENTITY.replace("max_batch_size: 8", "").replace("[ 4 ]", "[ -1, 4 ]", 1)
    optional = unbatched.replace('name: "IN"', 'name: "IN" optional: true')
    _write(fixture, {"a": optional, "b": _IDENTITY})
    config = _ensemble("b", "a").replace("max_batch_size: 8", "")
    _write(fixture, {"e": config.replace("ensemble_scheduling {", _LIMITED)})
    repository = fixture.open()
    repository.load("e")
    lowered = fixture.core.serving["e"][1].config
    assert lowered.instances == ()
    assert lowered.ensemble is not None
    assert lowered.ensemble.max_inflight_requests == 3
    first, second = lowered.ensemble.steps
    assert (first.model_name, first.model_version, first.decoupled) == ("b", -1, False)
    assert [(i.name, i.tensor, i.optional, i.rank) for i in first.inputs] == [
        ("IN", "IN", False, 2)
    ]
    assert [(i.name, i.tensor, i.optional, i.rank) for i in second.inputs] == [
        ("IN", "t1", True, 2)
    ]
    assert [(o.name, o.tensor) for o in second.outputs] == [("OUT", "OUT")]


def test_other_instances_of_a_composing_model_leave_its_ensemble_alone(fixture: Fixture) -> None:
    _write(fixture, {"e": _ensemble("a"), "a": _IDENTITY})
    repository = fixture.open()
    repository.load("e")
    builds = list(fixture.core.builds)
    config = _IDENTITY + "instance_group { count: 3 kind: KIND_CPU }"
    (fixture.root / "a" / "config.pbtxt").write_text(config)
    repository.load("a")
    repository.load("e")
    assert fixture.core.changes == [("a", 1, 3)]
    assert fixture.core.builds == builds


_LIMITED = "ensemble_scheduling { max_inflight_requests: 3 "


def test_a_model_that_fails_to_load_is_named(fixture: Fixture) -> None:
    _write(fixture, {"e": _ensemble("a"), "a": _IDENTITY})
    fixture.core.failures[("a", 1)] = [InternalError("no luck")]
    repository = fixture.open()
    with pytest.raises(InvalidArgError) as failure:
        repository.load("e")
    reason = (
        "Invalid argument: ensemble 'e' depends on 'a' which has no loaded version. Model 'a' "
        "loading failed with error: version 1 is at UNAVAILABLE state: Internal: no luck;"
    )
    assert failure.value.message == (
        f"load failed for model 'e': version 1 is at UNAVAILABLE state: {reason};\n"
    )
    assert _reason(repository, "e") == reason
    repository.load("e")
    assert _ready(repository) == {"a", "e"}


@pytest.mark.parametrize(
    ("configs", "reason"),
    [
        (
            {"e": _ensemble("a", "gone", "lost"), "a": _IDENTITY},
            "ensemble e contains models that are not available or ambiguous: gone, lost",
        ),
        (
            {"e": _ensemble("a", version=2), "a": _IDENTITY},
            "ensemble 'e' depends on 'a' whose required version 2 is not loaded",
        ),
        (
            {"e": _ensemble("a"), "a": _IDENTITY.replace("8", "4")},
            "ensemble e allows maximum batch size 8, but it contains model a which only allows "
            "maximum batch size to be 4",
        ),
        (
            {"e": _ensemble("a", tensors="TYPE_INT32 dims: [ 4 ]"), "a": _IDENTITY},
            "in ensemble e, ensemble tensor IN: inconsistent data type: TYPE_INT32 is inferred "
            "from model e while TYPE_FP32 is inferred from model a\nin ensemble e, ensemble tensor "
            "OUT: inconsistent data type: TYPE_INT32 is inferred from model e while TYPE_FP32 is "
            "inferred from model a",
        ),
        (
            {"e": _ensemble("a", "b"), "a": _IDENTITY, "b": _IDENTITY.replace("4", "5", 1)},
            "in ensemble e, ensemble tensor t1: inconsistent shape: [-1,4] is inferred from model "
            "a while [-1,5] is inferred from model b",
        ),
        (
            {"e": _ensemble("a"), "a": _IDENTITY.replace("IN", "X")},
            "in ensemble e, ensemble tensor IN is mapping to non-existing input IN in model a\n"
            "in ensemble e, input X in model a is not mapped to any ensemble tensors",
        ),
        (
            {"e": _ensemble("a"), "a": _IDENTITY.replace("OUT", "Y")},
            "in ensemble e, ensemble tensor OUT is mapped from non-existing output OUT in model a",
        ),
        (
            {"e": _ensemble("a", "e"), "a": _IDENTITY},
            "circular dependency between ensembles: e -> e",
        ),
        (
            {"e": _ensemble("f"), "f": _ensemble("a", "e"), "a": _IDENTITY},
            "ensemble 'e' depends on 'f' which has no loaded version. Model 'f' loading failed "
            "with error: Invalid argument: circular dependency between ensembles: f -> e -> f",
        ),
    ],
)
def test_ensembles_that_do_not_fit_say_why(
    fixture: Fixture, configs: Mapping[str, str], reason: str
) -> None:
    _write(fixture, configs)
    repository = fixture.open()
    with pytest.raises(InvalidArgError) as failure:
        repository.load("e")
    assert reason in failure.value.message
    assert _reason(repository, "e") == f"Invalid argument: {reason}"
    assert "e" not in _ready(repository)


def test_ensembles_may_not_be_nested_without_end(fixture: Fixture) -> None:
    names = ["a", *(f"e{depth}" for depth in range(33))]
    _write(fixture, {"a": _IDENTITY})
    _write(fixture, {name: _ensemble(inner) for inner, name in itertools.pairwise(names)})
    repository = fixture.open()
    repository.load("e31")
    with pytest.raises(InvalidArgError, match="contains ensembles nested more than 32 deep"):
        repository.load("e32")


def test_unloading_a_model_takes_its_ensembles_out_before_and_loading_brings_them_back(
    fixture: Fixture,
) -> None:
    _write(fixture, {"outer": _ensemble("e"), "e": _ensemble("a"), "a": _IDENTITY})
    repository = fixture.open()
    repository.load("outer")
    retired: list[str] = []
    fixture.core.on_publish = lambda name, added, gone: retired.extend([name] if gone else [])
    repository.unload("a")
    assert retired == ["outer", "e", "a"]
    assert _ready(repository) == set()
    assert _reason(repository, "e") == "unloaded"
    repository.load("a")
    assert _ready(repository) == {"outer", "e", "a"}


def test_an_unloaded_ensemble_stays_out_when_its_model_comes_back(fixture: Fixture) -> None:
    _write(fixture, {"e": _ensemble("a"), "a": _IDENTITY})
    repository = fixture.open()
    repository.load("e")
    repository.unload("a")
    repository.unload("e")
    repository.load("a")
    assert _ready(repository) == {"a"}


def test_unloading_an_ensemble_leaves_its_models_unless_told_otherwise(fixture: Fixture) -> None:
    _write(fixture, {"e": _ensemble("a", "b"), "a": _IDENTITY, "b": _IDENTITY})
    repository = fixture.open()
    repository.load("e")
    repository.unload("e")
    assert _ready(repository) == {"a", "b"}
    repository.load("e")
    repository.unload("e", {"unload_dependents": True})
    assert _ready(repository) == set()


def test_a_model_that_changes_is_checked_against_its_ensembles_again(fixture: Fixture) -> None:
    _write(fixture, {"e": _ensemble("a"), "a": _IDENTITY})
    repository = fixture.open()
    repository.load("e")
    write_model(fixture.root, "a", config=_IDENTITY.replace("8", "16"))
    repository.load("a")
    assert _built(fixture, "e") == 2
    repository.load("a")
    assert _built(fixture, "e") == 2  # nothing changed
    write_model(fixture.root, "a", config=_IDENTITY.replace("8", "4"))
    repository.load("a")
    assert _ready(repository) == {"a"}
    assert _reason(repository, "e").startswith("Invalid argument: ensemble e allows maximum batch")
    write_model(fixture.root, "a", config=_IDENTITY)
    repository.load("a")
    assert _ready(repository) == {"a", "e"}


def _built(fixture: Fixture, name: str) -> int:
    return sum(built == name for built, _ in fixture.core.builds)


def test_outputs_inherit_labels_unless_they_have_their_own(fixture: Fixture) -> None:
    labelled = _IDENTITY.replace('name: "OUT"', 'name: "OUT" label_filename: "labels.txt"')
    directory = write_model(fixture.root, "a", config=labelled)
    (directory / "labels.txt").write_text("cat\ndog\n")
    _write(fixture, {"inner": _ensemble("a"), "outer": _ensemble("inner")})
    own = _ensemble("a").replace('{ name: "OUT"', '{ name: "OUT" label_filename: "own.txt"')
    (write_model(fixture.root, "own", config=own) / "own.txt").write_text("bird\n")
    repository = fixture.open()
    repository.load("outer")
    repository.load("own")
    labels = {name: served[1].config.outputs[0].labels for name, served in _serving(fixture)}
    assert labels == {
        "a": ("cat", "dog"),
        "inner": ("cat", "dog"),
        "outer": ("cat", "dog"),
        "own": ("bird",),
    }


def _serving(fixture: Fixture) -> list[tuple[str, dict[int, FakeModel]]]:
    return sorted(fixture.core.serving.items())


def test_an_ensemble_is_decoupled_when_a_step_is(fixture: Fixture) -> None:
    decoupled = _IDENTITY + "model_transaction_policy { decoupled: true }"
    _write(fixture, {"e": _ensemble("a", "d"), "a": _IDENTITY, "d": decoupled})
    repository = fixture.open()
    repository.load("e")
    assert repository.served("e").config.model_transaction_policy.decoupled
    assert fixture.core.serving["e"][1].config.decoupled


def test_steps_that_mix_two_decoupled_models_are_refused(fixture: Fixture) -> None:
    decoupled = _IDENTITY + "model_transaction_policy { decoupled: true }"
    add = _IDENTITY.replace("input [", 'input [ { name: "IN2" data_type: TYPE_FP32 dims: [ 4 ] },')
    steps = "".join(
        f'step {{ model_name: "{model}" model_version: -1 {maps} }}\n'
        for model, maps in (
            ("d", _maps({"IN": "IN"}, "x")),
            ("d", _maps({"IN": "IN"}, "y")),
            ("add", _maps({"IN": "x", "IN2": "y"}, "OUT")),
        )
    )
    config = _ensemble("a").split("ensemble_scheduling")[0] + f"ensemble_scheduling {{ {steps} }}"
    _write(fixture, {"e": config, "d": decoupled, "add": add})
    with pytest.raises(InvalidArgError) as failure:
        fixture.open().load("e")
    assert (
        "in ensemble e, step of model 'add' receives inputs originated from different decoupled "
        "models"
    ) in failure.value.message


def _maps(inputs: Mapping[str, str], output: str) -> str:
    maps = "".join(f'input_map {{ key: "{k}" value: "{v}" }} ' for k, v in inputs.items())
    return maps + f'output_map {{ key: "OUT" value: "{output}" }}'


def test_closing_drops_loads_that_wait_for_others(fixture: Fixture) -> None:
    _write(fixture, {"e": _ensemble("a"), "a": _IDENTITY})
    began, release = threading.Event(), threading.Event()

    def build(config: CoreModelConfig) -> None:
        began.set()
        release.wait()

    fixture.core.on_build = build
    repository = fixture.open()
    load = repository.submit_load("e")
    began.wait()
    repository.begin_exit()
    release.set()
    with pytest.raises(BaseException, match="Server exiting"):
        load.result()
    repository.close()
    assert ModelState.READY not in {entry.state for entry in repository.index()}
