"""Goal: a worker's control channel does what Python models may do beside inference.

Method: stub workers that ask, over a repository and a core in memory; what they were answered comes
back as lines that they print.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.python.worker_host.stub_models import GUARD_S, StubHost
from tritonpy.errors import (
    InternalError,
    InvalidArgError,
    NotFoundError,
    TritonError,
    UnavailableError,
)

_READY = "say({'op': 'ready', 'has_is_ready': False})\n"
_ASKING = "import json\nask = lambda **m: print('said', json.dumps(answer_of(m)), flush=True)\n"


class FakeModels:
    """A repository and a core: model `there` is ready, and loads end as the test says."""

    def __init__(self) -> None:
        self.has_started = True
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.job: Future[None] = Future()
        self.refusal: TritonError | None = None

    def submit_load(self, name: str, parameters: Mapping[str, Any]) -> Future[None]:
        return self._submit("load", name, parameters)

    def submit_unload(self, name: str, parameters: Mapping[str, Any]) -> Future[None]:
        return self._submit("unload", name, parameters)

    def requested_version(self, name: str, text: str) -> int:
        if text in ("", "canary"):
            return 1 if text else -1
        if not text.isdigit():
            raise InvalidArgError(f"failed to get model version from '{text}'")
        return int(text)

    def check_ready(self, name: str, version: int) -> None:
        if (name, version) not in (("there", -1), ("there", 1)):
            raise NotFoundError("not found")

    def _submit(self, what: str, name: str, parameters: Mapping[str, Any]) -> Future[None]:
        if self.refusal is not None:
            raise self.refusal
        self.calls.append((what, name, dict(parameters)))
        return self.job


@pytest.fixture
def models(stubs: StubHost) -> FakeModels:
    models = FakeModels()
    stubs.models.attach(models, models)
    return models


def _answers(stubs: StubHost, script: str) -> Iterator[dict[str, Any]]:
    """Run a worker to its end and yield the answers that it was given."""
    *channels, pid = stubs.launch(_ASKING + script + _READY)
    for channel in channels:
        os.close(channel)
    assert stubs.ended(pid) == "exited with code 0"
    for text in stubs.log.texts():
        if text.startswith("m_0_0: said "):
            yield json.loads(text.removeprefix("m_0_0: said "))


def test_log_lines_keep_their_level_and_their_place(stubs: StubHost) -> None:
    list(
        _answers(
            stubs,
            "say({'op': 'log', 'level': 'ERROR', 'message': 'oh', 'file': 'model.py', 'line': 7})\n"
            "say({'op': 'log', 'level': 'VERBOSE', 'message': 'x' * 20000, 'file': 'm'})\n",
        )
    )
    assert stubs.log.lines[:2] == [
        ("ERROR", "model.py:7 m_0_0: oh"),
        ("VERBOSE", "m:0 m_0_0: " + "x" * 16384),
    ]


def test_loading_answers_when_it_is_done(stubs: StubHost, models: FakeModels) -> None:
    models.job.set_result(None)
    files = "{'file:1/model.py': 'YWJj'}"
    answers = _answers(
        stubs,
        f"ask(op='load_model', name='a', config='{{}}', files={files})\n"
        "ask(op='load_model', name='b', config='', files={})\n"
        "ask(op='unload_model', name='a', unload_dependents=True)\n",
    )
    assert list(answers) == [
        {"op": "answer", "id": number, "error": None, "value": None} for number in (1, 2, 3)
    ]
    assert models.calls == [
        ("load", "a", {"config": "{}", "file:1/model.py": b"abc"}),
        ("load", "b", {}),
        ("unload", "a", {"unload_dependents": True}),
    ]


def test_what_keeps_a_model_from_loading_is_answered(stubs: StubHost, models: FakeModels) -> None:
    models.job.set_exception(InternalError("no"))
    answers = _answers(
        stubs,
        "ask(op='load_model', name='a', config='')\nask(op='unload_model', name='a')\n"
        "ask(op='load_model', name='a', config='', files={'file:1/a': '*'})\n",
    )
    assert [answer["error"] for answer in answers] == [
        "Failed to load model: no",
        "Failed to unload model: no",
        "Failed to load model: the content of 'file:1/a' is no base64",
    ]


def test_models_are_controlled_in_explicit_mode_only(stubs: StubHost, models: FakeModels) -> None:
    models.refusal = UnavailableError("explicit model load / unload is not allowed")
    (answer,) = _answers(stubs, "ask(op='load_model', name='a', config='')\n")
    assert answer["error"] == "Failed to load model: explicit model load / unload is not allowed"


def test_models_are_not_controlled_while_the_server_starts(
    stubs: StubHost, models: FakeModels
) -> None:
    models.has_started = False
    (answer,) = _answers(stubs, "ask(op='load_model', name='a', config='')\n")
    assert answer["error"].startswith("Failed to load model: the server is still loading")
    assert models.calls == []


def test_loads_dropped_by_a_server_that_stops_say_so(stubs: StubHost, models: FakeModels) -> None:
    models.job.cancel()
    models.job.set_running_or_notify_cancel()
    (answer,) = _answers(stubs, "ask(op='load_model', name='a', config='')\n")
    assert answer["error"] == "Failed to load model: Server exiting"


def test_readiness_of_models_is_a_value(stubs: StubHost, models: FakeModels) -> None:
    answers = _answers(
        stubs,
        "ask(op='is_model_ready', name='there', version='')\n"
        "ask(op='is_model_ready', name='there', version='1')\n"
        "ask(op='is_model_ready', name='there', version='canary')\n"
        "ask(op='is_model_ready', name='there', version='2')\n"
        "ask(op='is_model_ready', name='there', version='x')\n",
    )
    assert [(answer["value"], answer["error"]) for answer in answers] == [
        (True, None),
        (True, None),
        (True, None),
        (False, None),
        (None, "Failed to check model readiness: failed to get model version from 'x'"),
    ]


def test_metrics_are_made_counted_and_gone_with_the_worker(stubs: StubHost) -> None:
    *channels, pid = stubs.launch(
        _ASKING + "ask(op='metric_family', name='f', description='d', kind='counter')\n"
        "ask(op='metric', family=1, labels={'a': 'b'}, buckets=None)\n"
        "say({'op': 'metric_update', 'metric': 2, 'kind': 'increment', 'value': 2})\n"
        "ask(op='metric_value', metric=2)\n"
        "ask(op='metric_update', metric=2, kind='set', value=1.0)\n"
        "ask(op='metric_update', metric=2, kind='set', value='1')\n"
        "ask(op='metric', family=1, labels=[], buckets=['x'])\n" + _READY + "hear()"
    )
    stubs.log.wait_for("Buckets")
    answers = [json.loads(text.partition("said ")[2]) for text in stubs.log.texts()]
    assert [(answer["value"], answer["error"]) for answer in answers] == [
        (1, None),
        (2, None),
        (2.0, None),
        (None, "TRITONSERVER_METRIC_KIND_COUNTER does not support Set"),
        (None, "a metric cannot be updated by '1'"),
        (None, "Failed to create metric. Buckets must be a list."),
    ]
    (family,) = stubs.metrics.families()
    assert (family.name, family.metrics[0].value) == ("f", 2.0)
    for channel in channels:
        os.close(channel)
    stubs.host.kill_all()
    stubs.ended(pid)
    assert stubs.metrics.families() == []


def test_deleted_metrics_are_gone(stubs: StubHost) -> None:
    answers = _answers(
        stubs,
        "ask(op='metric_family', name='f', description='d', kind='gauge')\n"
        "ask(op='metric', family=1, labels={}, buckets=None)\n"
        "say({'op': 'metric_delete', 'metric': 2})\nask(op='metric_value', metric=2)\n"
        "say({'op': 'metric_delete', 'family': 1})\nask(op='metric', family=1, labels={})\n",
    )
    for answer in list(answers)[2:]:
        assert answer["error"].startswith("Invalid metric operation as the corresponding")


def test_operations_that_nobody_knows_are_refused(stubs: StubHost) -> None:
    (first, second, _, _) = _answers(
        stubs,
        "ask(op='reboot')\nask(op=[1])\nask(op='metric_value', metric=[])\n"
        "ask(op='metric_update', metric=1, kind=7, value=10 ** 400)\n",
    )
    assert first["error"] == "unknown control operation 'reboot'"
    assert second["error"] == "unknown control operation '[1]'"


def test_questions_that_are_not_answered_yet_are_shared(stubs: StubHost) -> None:
    *channels, pid = stubs.launch(
        "say({'op': 'ready', 'has_is_ready': True})\n"
        "for value in (True, False, 'yes'):\n"
        "    question = hear()\n"
        "    assert question['op'] == 'is_ready'\n"
        "    hold = open(start['args']['model_repository'] + '/hold').read()\n"
        "    say({'op': 'answer', 'id': question['id'], 'value': value, 'error': None})\n"
        "question = hear()\n"
        "say({'op': 'answer', 'id': question['id'], 'value': None, 'error': 'ill'})\n"
        "hear()\n"
    )
    hold = stubs.directory / "m" / "hold"
    os.mkfifo(hold)

    def ask() -> Future[bool]:
        (check,) = stubs.host.ask_ready("m", 1)
        assert check.instance_name == "m_0_0"
        return check.answer

    for wanted in (True, False, False):
        first, second = ask(), ask()
        assert first is second
        hold.write_text("go on")
        assert first.result(GUARD_S) is wanted
    with pytest.raises(InternalError, match=r"^ill$"):
        ask().result(GUARD_S)
    dying = ask()
    for channel in channels:
        os.close(channel)
    with pytest.raises(InternalError, match=r"^Stub process 'm_0_0' is not healthy\.$"):
        dying.result(GUARD_S)
    stubs.ended(pid)
    assert stubs.host.ask_ready("m", 1) == []


def test_models_without_is_ready_are_not_asked(stubs: StubHost) -> None:
    *channels, _ = stubs.launch(_READY + "hear()")
    for channel in channels:
        os.close(channel)
    assert stubs.host.ask_ready("m", 1) == []
    assert stubs.host.ask_ready("other", 1) == []


def test_namesakes_have_workers_of_their_own(stubs: StubHost) -> None:
    script = "say({'op': 'ready', 'has_is_ready': True})\n"
    launched = {name: stubs.launch(script + "hear()", identifier=name) for name in ("a/m", "b/m")}
    for name, (*_, pid) in launched.items():
        assert len(stubs.host.ask_ready(name, 1)) == 1
        assert stubs.host.memory_bytes(name) == pytest.approx(_set_size(pid), rel=0.2)
    assert stubs.host.memory_bytes("m") == 0
    for *channels, _ in launched.values():
        for channel in channels:
            os.close(channel)


def _set_size(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = (line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024
