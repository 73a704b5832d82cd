"""Goal: log lines, metrics and loading of models reach the server, and its objections the model.

Method: real worker processes; the fake server keeps every control message, and answers by script.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.python.worker.conftest import Start, config_of, tensor
from tests.python.worker.fake_server import Request, fp32

CONFIG = config_of(output=[tensor("OUT", "TYPE_STRING")])


def model(body: str) -> str:
    """Return a model whose `execute` says what `body` leaves in `said`, or what it raises."""
    lines = "\n".join(f"            {line}" for line in body.splitlines())
    return f"""
class TritonPythonModel:
    def execute(self, requests):
        said = "nothing"
        try:
{lines}
        except pb_utils.TritonModelException as error:
            said = str(error)
        array = np.array([said], dtype=object)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array)])]
"""


def said(start: Start, body: str, on_control: Any = None) -> tuple[str, list[dict[str, Any]]]:
    """Run a model's body; return what it said, and the control messages up to its end."""
    server = start(model(body), CONFIG, on_control=on_control or (lambda message: 1))
    (response,) = server.execute(Request({0: fp32([1])}))
    assert response.error is None
    assert server.unload() == 0
    messages = []
    while (message := server.control_messages.get()) is not None:
        messages.append(message)
    return response.values()[0].decode(), messages


def test_log_lines_carry_their_place(start: Start) -> None:
    _, messages = said(
        start,
        "pb_utils.Logger.log_info('a')\n"
        "pb_utils.Logger.log('b', pb_utils.Logger.WARNING)\n"
        "pb_utils.Logger.log_warn('c')\npb_utils.Logger.log_error('d')\n"
        "pb_utils.Logger.log_verbose('unheard')\npb_utils.Logger.log('e')",
    )
    assert [(m["level"], m["message"]) for m in messages] == [
        ("INFO", "a"),
        ("WARNING", "b"),
        ("WARNING", "c"),
        ("ERROR", "d"),
        ("INFO", "e"),
    ]
    assert all(m["file"].endswith("1/model.py") for m in messages)
    first = messages[0]["line"]
    assert [m["line"] - first for m in messages] == [0, 1, 2, 3, 5]


def test_metrics_are_made_updated_read_and_deleted(start: Start) -> None:
    def on_control(message: dict[str, Any]) -> Any:
        return {"metric_family": 7, "metric": 8, "metric_value": 2.5}[message["op"]]

    text, messages = said(
        start,
        "family = pb_utils.MetricFamily('n', 'd', pb_utils.MetricFamily.COUNTER)\n"
        "metric = family.Metric(labels={'a': 'b'})\n"
        "metric.increment(2)\nsaid = str(metric.value())\ndel metric\ndel family",
        on_control,
    )
    assert text == "2.5"
    for message in messages:
        message.pop("id", None)
    assert messages == [
        {"op": "metric_family", "name": "n", "description": "d", "kind": "counter"},
        {"op": "metric", "family": 7, "labels": {"a": "b"}, "buckets": None},
        {"op": "metric_update", "metric": 8, "kind": "increment", "value": 2.0},
        {"op": "metric_value", "metric": 8},
        {"op": "metric_delete", "metric": 8},
        {"op": "metric_delete", "family": 7},
    ]


FAMILY = "family = pb_utils.MetricFamily('n', 'd', pb_utils.MetricFamily.{kind})\n"
UNSUPPORTED = "metric value: TRITONSERVER_METRIC_KIND_{} does not support {}"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (
            "GAUGE",
            "family.Metric(labels=[])",
            "Failed to create metric. Labels must be a dictionary.",
        ),
        (
            "HISTOGRAM",
            "family.Metric(buckets=1)",
            "Failed to create metric. Buckets must be a list.",
        ),
        (
            "COUNTER",
            "family.Metric(buckets=[1])",
            "Failed to create metric. Unexpected buckets found.",
        ),
        ("HISTOGRAM", "family.Metric()", "Failed to create metric. Missing required buckets."),
        (
            "GAUGE",
            "metric = family.Metric()\ndel family\nmetric.set(1)",
            "Invalid metric operation as the corresponding 'MetricFamily' has been deleted. The "
            "'MetricFamily' object should be deleted AFTER its corresponding 'Metric' objects have "
            "been deleted.",
        ),
        (
            "COUNTER",
            "family.Metric().set(1)",
            "Failed to set " + UNSUPPORTED.format("COUNTER", "Set"),
        ),
        (
            "GAUGE",
            "family.Metric().observe(1)",
            "Failed to observe " + UNSUPPORTED.format("GAUGE", "Observe"),
        ),
        (
            "COUNTER",
            "family.Metric().increment(-1)",
            "Failed to increment metric value: TRITONSERVER_METRIC_KIND_COUNTER can only be "
            "incremented monotonically by non-negative values.",
        ),
    ],
)
def test_misuse_of_metrics_raises_tritons_text(
    start: Start, kind: str, body: str, text: str
) -> None:
    assert said(start, FAMILY.format(kind=kind) + body)[0] == text


def test_models_are_loaded_unloaded_and_asked_for(start: Start) -> None:
    text, messages = said(
        start,
        "pb_utils.load_model('a', config='{}', files={'file:1/x': b'\\xff'})\n"
        "pb_utils.unload_model('a', unload_dependents=True)\n"
        "said = str(pb_utils.is_model_ready('a', '2'))",
        lambda message: message["op"] == "is_model_ready" or None,
    )
    assert text == "True"
    for message in messages:
        del message["id"]
    file = {"file:1/x": base64.b64encode(b"\xff").decode()}
    assert messages == [
        {"op": "load_model", "name": "a", "config": "{}", "files": file},
        {"op": "unload_model", "name": "a", "unload_dependents": True},
        {"op": "is_model_ready", "name": "a", "version": "2"},
    ]


def test_models_are_not_loaded_in_finalize(start: Start) -> None:
    server = start("""
class TritonPythonModel:
    def execute(self, requests):
        return []
    def finalize(self):
        for change in (pb_utils.load_model, pb_utils.unload_model):
            try:
                change("a")
            except pb_utils.TritonModelException as error:
                print(error)
""")
    assert server.unload() == 0
    assert server.process.communicate()[0].decode().splitlines() == [
        "Failed to load model: a model cannot load others in its 'finalize'.",
        "Failed to unload model: a model cannot unload others in its 'finalize'.",
    ]


def test_objections_of_the_server_raise_with_its_text(start: Start) -> None:
    refusal = "Failed to load model: no such model"
    text, _ = said(start, "pb_utils.load_model('a')", lambda _: ValueError(refusal))
    assert text == refusal
    text, _ = said(start, "pb_utils.load_model('a', files=['x'])")
    assert text == (
        "failed to load model 'a', files should be a dictionary of file paths and file contents"
    )
