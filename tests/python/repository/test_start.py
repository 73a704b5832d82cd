"""Goal: a server starts with the models it should, whatever single ones do. Method: a fake core."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.python.repository.model_tree import IDENTITY, Fixture, write_model
from tritonpy.errors import InternalError, NotFoundError, UnavailableError
from tritonpy.options import ControlMode, RepositoryOptions
from tritonpy.repository import IndexEntry, ModelState
from tritonpy.repository.layout import ModelLocation, RepositoryLayout

_LONG_S = 60.0


def test_every_model_is_loaded_and_named_in_the_index(fixture: Fixture) -> None:
    write_model(fixture.root, "a", [1, 2])
    write_model(fixture.root, "b", config=IDENTITY)
    repository = fixture.open(explicit=False)
    assert repository.load_all()
    assert repository.index() == [
        IndexEntry("a", 2, ModelState.READY),
        IndexEntry("b", 1, ModelState.READY),
    ]
    assert repository.is_ready(strict=True)
    assert repository.ready_versions("a") == (2,)
    assert [(model.name, model.version) for model in repository.all_served()] == [
        ("a", 2),
        ("b", 1),
    ]


def test_served_config_is_complete_and_lowered(fixture: Fixture) -> None:
    write_model(fixture.root, "a")
    repository = fixture.open(explicit=False)
    repository.load_all()
    served = repository.served("a")
    assert (served.name, served.version) == ("a", 1)
    assert served.config.backend == "onnxruntime"
    assert [tensor.name for tensor in served.config.input] == ["x"]
    lowered = fixture.core.serving["a"][1].config
    assert lowered.max_batch_size == 4
    assert lowered.model_path == str(fixture.root / "a" / "1" / "model.onnx")


def test_a_model_that_fails_says_why_and_stops_no_other(fixture: Fixture) -> None:
    write_model(fixture.root, "bad")
    write_model(fixture.root, "good")
    fixture.core.failures["bad", 1] = [InternalError("out of luck")]
    repository = fixture.open(explicit=False)
    assert not repository.load_all()
    assert repository.index() == [
        IndexEntry("bad", 1, ModelState.UNAVAILABLE, "Internal: out of luck"),
        IndexEntry("good", 1, ModelState.READY),
    ]
    assert fixture.log.errors == ["failed to load 'bad' version 1: Internal: out of luck"]
    assert not repository.is_ready(strict=True)
    assert repository.is_ready(strict=False)
    with pytest.raises(NotFoundError, match="'bad' has no available versions"):
        repository.served("bad")
    with pytest.raises(UnavailableError, match="'bad' version 1 is not at ready state"):
        repository.served("bad", 1)


def test_a_config_that_cannot_be_read_is_named_with_its_line(fixture: Fixture) -> None:
    write_model(fixture.root, "bad", config='backend: "identity"\nnonsense: 1\n')
    repository = fixture.open(explicit=False)
    assert not repository.load_all()
    (entry,) = repository.index()
    assert (entry.name, entry.version, entry.state) == ("bad", None, ModelState.UNAVAILABLE)
    assert entry.reason.startswith("Invalid argument: ")
    assert "config.pbtxt:2:" in entry.reason
    (error,) = fixture.log.errors
    assert error.startswith(f"Poll failed for model directory '{fixture.root / 'bad'}': ")


def test_a_version_says_what_is_wrong_with_its_inputs(fixture: Fixture) -> None:
    write_model(fixture.root, "m", config=IDENTITY.replace("[ 4 ]", "[ 0 ]"))
    repository = fixture.open(explicit=False)
    assert not repository.load_all()
    (entry,) = repository.index()
    assert entry.version == 1
    assert "model input 'x' dimension must be integer >= 1" in entry.reason
    assert "model output 'x' dimension must be integer >= 1" in entry.reason


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            'backend: "no_such"',
            "Invalid argument: unable to find backend library for backend 'no_such', try "
            "specifying runtime on the model configuration.",
        ),
        (
            IDENTITY + "instance_group { kind: KIND_GPU }",
            "Invalid argument: instance group m_0 of model m has kind KIND_GPU but server does "
            "not support GPUs",
        ),
        (
            'backend: "onnxruntime" default_model_filename: "../x.onnx"',
            "Invalid argument: default_model_filename '../x.onnx' of model 'm' is outside of its "
            "version directory",
        ),
        (
            IDENTITY + "sequence_batching { state { input_name: 'i' output_name: 'o' } }",
            "Unsupported: 'sequence_batching.state' is not supported by backend 'identity', model "
            "'m' cannot be served",
        ),
    ],
)
def test_reason_of_a_version_that_cannot_run(fixture: Fixture, config: str, reason: str) -> None:
    write_model(fixture.root, "m", config=config)
    repository = fixture.open(explicit=False)
    assert not repository.load_all()
    assert [entry.reason for entry in repository.index()] == [reason]


def test_a_missing_model_file_is_named(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config='backend: "onnxruntime"')
    (directory / "1" / "model.onnx").unlink()
    repository = fixture.open(explicit=False)
    assert not repository.load_all()
    file = directory / "1" / "model.onnx"
    assert [entry.reason for entry in repository.index()] == [
        f"Unavailable: unable to find '{file}' for model instance 'm_0'"
    ]


def test_a_model_without_versions_is_not_ready(fixture: Fixture) -> None:
    write_model(fixture.root, "m", [], IDENTITY)
    repository = fixture.open(explicit=False)
    assert not repository.load_all()
    assert [entry.reason for entry in repository.index()] == [
        "Invalid argument: at least one version must be available under the version policy of "
        "model 'm'"
    ]
    assert not repository.is_ready(strict=True)


def test_a_name_in_two_repositories_is_not_served(fixture: Fixture, tmp_path: Path) -> None:
    write_model(fixture.root, "m")
    write_model(tmp_path / "other", "m")
    repository = fixture.open(explicit=False, others=(tmp_path / "other",))
    assert not repository.load_all()
    assert repository.index() == [
        IndexEntry("m", None, ModelState.UNAVAILABLE, "model appears in two or more repositories")
    ]


def test_a_bug_in_a_load_is_an_internal_failure(fixture: Fixture) -> None:
    write_model(fixture.root, "m")

    def explode(_: object) -> None:
        raise KeyError("oops")

    fixture.core.on_build = explode
    repository = fixture.open(explicit=False)
    assert not repository.load_all()
    assert [entry.reason for entry in repository.index()] == ["Internal: KeyError: 'oops'"]


def test_a_bug_outside_of_a_version_is_logged_and_stops_no_other(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(fixture.root, "bad")
    write_model(fixture.root, "good")
    locate = RepositoryLayout.locate

    def explode(layout: RepositoryLayout, name: str) -> tuple[ModelLocation, ...]:
        if name == "bad":
            raise KeyError("oops")
        return locate(layout, name)

    monkeypatch.setattr(RepositoryLayout, "locate", explode)
    repository = fixture.open(explicit=False)
    assert not repository.load_all()
    assert fixture.log.errors == ["'bad' is not served: KeyError: 'oops'"]
    assert repository.ready_versions("good") == (1,)


def test_a_directory_that_is_no_version_does_not_hide_the_versions(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m")
    (directory / "03").mkdir()
    (directory / "-old").mkdir()
    repository = fixture.open(explicit=False)
    assert repository.load_all()
    assert repository.served("m").config.backend == "onnxruntime"


def test_a_failed_load_is_tried_again_as_often_as_told(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    fixture.core.failures["m", 1] = [InternalError("once"), InternalError("twice")]
    options = RepositoryOptions(paths=(fixture.root,), load_retries=2)
    assert fixture.open(options=options).load_all()
    assert fixture.core.builds == [("m", 1)] * 3


def test_models_load_at_once_on_the_loader_threads(fixture: Fixture) -> None:
    for name in "abcd":
        write_model(fixture.root, name)
    together = threading.Barrier(4, timeout=_LONG_S)  # breaks unless four builds meet

    def meet(_: object) -> None:
        together.wait()

    fixture.core.on_build = meet
    assert fixture.open(explicit=False).load_all()


def test_explicit_start_loads_only_what_is_named(fixture: Fixture) -> None:
    write_model(fixture.root, "a")
    write_model(fixture.root, "b")
    repository = fixture.open(startup_models=("b",))
    assert repository.load_all()
    assert repository.index() == [IndexEntry("a"), IndexEntry("b", 1, ModelState.READY)]
    assert repository.index(ready_only=True) == [IndexEntry("b", 1, ModelState.READY)]
    assert repository.is_ready(strict=True)


def test_explicit_start_with_an_asterisk_loads_everything(fixture: Fixture) -> None:
    write_model(fixture.root, "a")
    write_model(fixture.root, "b")
    repository = fixture.open(startup_models=("*",))
    assert repository.load_all()
    assert repository.ready_versions("a") == repository.ready_versions("b") == (1,)


def test_a_startup_model_that_is_nowhere_is_an_error(fixture: Fixture) -> None:
    assert not fixture.open(startup_models=("absent",)).load_all()
    assert fixture.log.errors == [
        "failed to load 'absent': model not found in any model repository"
    ]


def test_a_model_file_is_served_without_a_repository(tmp_path: Path, fixture: Fixture) -> None:
    file = tmp_path / "net.onnx"
    file.write_text("")
    repository = fixture.open(options=RepositoryOptions(model_file=file))
    assert repository.load_all()
    assert repository.index() == [IndexEntry("net", 1, ModelState.READY)]
    assert fixture.core.serving["net"][1].config.model_path == str(file)
    assert repository.served("net").config.platform == "onnxruntime_onnx"


def test_labels_and_test_hooks_reach_the_core(fixture: Fixture) -> None:
    config = IDENTITY.rstrip()[:-3] + 'label_filename: "labels.txt" } ]\n'
    directory = write_model(fixture.root, "m", config=config)
    (directory / "labels.txt").write_text("cat\ndog\n")
    options = RepositoryOptions(paths=(fixture.root,), delay_until_queued=3)
    assert fixture.open(options=options).load_all()
    lowered = fixture.core.serving["m"][1].config
    assert lowered.outputs[0].labels == ("cat", "dog")
    assert lowered.delay_until_queued == 3


def test_default_max_batch_size_comes_from_the_backend_or_from_all(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    for sizes, expected in (((("", 7),), 7), ((("", 7), ("onnxruntime", 9)), 9)):
        options = RepositoryOptions(paths=(fixture.root,), default_max_batch_sizes=sizes)
        assert fixture.open(options=options).load_all()
        assert fixture.core.serving["m"][1].config.max_batch_size == expected


def test_a_named_config_is_used_where_it_exists(fixture: Fixture) -> None:
    directory = write_model(fixture.root, "m", config=IDENTITY)
    write_model(fixture.root, "n", config=IDENTITY)
    (directory / "configs").mkdir()
    (directory / "configs" / "big.pbtxt").write_text(IDENTITY.replace("size: 8", "size: 32"))
    options = RepositoryOptions(paths=(fixture.root,), config_name="big")
    repository = fixture.open(options=options)
    assert repository.load_all()
    assert repository.served("m").config.max_batch_size == 32
    assert repository.served("n").config.max_batch_size == 8


def test_without_auto_complete_a_config_must_be_there(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    options = RepositoryOptions(
        paths=(fixture.root,), control_mode=ControlMode.NONE, auto_complete=False
    )
    repository = fixture.open(options=options)
    assert not repository.load_all()
    (entry,) = repository.index()
    assert entry.reason.startswith("Internal: failed to open text file for read ")


def test_nothing_is_ready_before_the_start_and_after_the_exit_begins(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open(explicit=False)
    assert not repository.is_ready(strict=False)
    repository.load_all()
    assert repository.is_ready(strict=True)
    repository.begin_exit()
    assert repository.is_exiting
    assert not repository.is_ready(strict=False)


def test_closing_takes_everything_out_of_the_core(fixture: Fixture) -> None:
    write_model(fixture.root, "a", [1, 2], "version_policy: { all {} }")
    write_model(fixture.root, "b")
    repository = fixture.open(explicit=False)
    repository.load_all()
    repository.close()
    assert fixture.core.serving == {"a": {}, "b": {}}


def test_a_server_told_to_exit_before_the_start_loads_nothing(fixture: Fixture) -> None:
    write_model(fixture.root, "m")
    repository = fixture.open(explicit=False)
    repository.begin_exit()
    assert not repository.load_all()
    assert fixture.core.builds == []
