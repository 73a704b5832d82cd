"""Goal: a worker is started as the contract says, and however it ends, it is reaped and told of.

Method: stub workers whose scripts speak the protocol, or break off.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
from pathlib import Path

import psutil
import pytest

from tests.python.worker_host.stub_models import GUARD_S, StubHost
from tritonpy.errors import InternalError

_READY = "say({'op': 'ready', 'has_is_ready': False})\n"
_UNTIL_UNLOADED = "import os\nos.read(options['execute-fd'], 1)\n"  # until it ends


def _descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def test_worker_is_told_what_it_runs(stubs: StubHost) -> None:
    file = stubs.directory / "start"
    *channels, pid = stubs.launch(
        f"import json\nopen({str(file)!r}, 'w').write(json.dumps([start, options]))\n{_READY}",
        "model_transaction_policy { decoupled: true }",
    )
    _close(*channels)
    assert stubs.ended(pid) == "exited with code 0"
    start, options = json.loads(file.read_text())
    model = stubs.directory / "m"
    assert json.loads(start["args"].pop("model_config"))["name"] == "m"
    assert start == {
        "op": "start",
        "mode": "serve",
        "args": {
            "model_instance_kind": "CPU",
            "model_instance_name": "m_0_0",
            "model_instance_device_id": "0",
            "model_repository": str(model),
            "model_version": "1",
            "model_name": "m",
        },
        "model_path": str(model / "1" / "model.py"),
        "decoupled": True,
        "max_batch_size": 4,
        "inputs": [{"name": "IN", "data_type": "TYPE_STRING", "dims": [3, -1]}],
        "outputs": [{"name": "OUT", "data_type": "TYPE_FP32", "dims": [2]}],
        "log": {"verbose_level": 3},
    }
    assert options.pop("parent-pid") == os.getpid()
    assert sorted(options) == [
        "answers-fd",
        "calls-fd",
        "control-fd",
        "execute-fd",
        "executed-fd",
        "inputs-fd",
        "outputs-fd",
    ]


def test_a_stub_of_tritons_is_not_run_and_that_is_said(stubs: StubHost) -> None:
    model = stubs.directory / "m"
    model.mkdir()
    (model / "triton_python_backend_stub").write_text("no program")
    *channels, pid = stubs.launch(_READY)
    _close(*channels)
    assert stubs.ended(pid) == "exited with code 0"
    assert stubs.log.texts()[0] == (
        f"m_0_0: 'triton_python_backend_stub' in '{model}' is not run; a model names the "
        "interpreter that it needs by EXECUTION_ENV_PATH"
    )


def test_channels_reach_the_worker_and_unloading_ends_it(stubs: StubHost) -> None:
    execute, executed, answers, calls, inputs, outputs, pid = stubs.launch(
        f"import os\nos.ftruncate(options['outputs-fd'], 4096)\n{_READY}"
        "os.write(options['calls-fd'], os.read(options['answers-fd'], 7))\n" + _UNTIL_UNLOADED
    )
    os.write(answers, b"answers")
    assert os.read(calls, 7) == b"answers"
    assert os.fstat(outputs).st_size == 4096
    assert os.fstat(inputs).st_size == 0
    _close(execute, executed, answers, calls, inputs, outputs)
    assert stubs.ended(pid) == "exited with code 0"


def test_nothing_is_left_of_a_worker(stubs: StubHost) -> None:
    before = _descriptors()
    *channels, pid = stubs.launch(_READY + _UNTIL_UNLOADED)
    _close(*channels)
    stubs.ended(pid)
    assert _descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_worker_leads_a_session_and_what_it_started_ends_with_it(stubs: StubHost) -> None:
    *channels, pid = stubs.launch(
        "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])\n"
        f"print('child', child.pid)\n{_READY}" + _UNTIL_UNLOADED
    )
    assert os.getsid(pid) == pid
    child = int(stubs.log.wait_for("child")[1].rpartition(" ")[2])
    watched = os.pidfd_open(child)
    os.kill(pid, signal.SIGKILL)
    _close(*channels)
    assert stubs.ended(pid) == "killed by signal 9"
    ending = select.poll()
    ending.register(watched, select.POLLIN)
    assert ending.poll(GUARD_S * 1000)
    os.close(watched)


def test_worker_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with StubHost(tmp_path, stub_timeout_s=0.01) as stubs:
        *channels, pid = stubs.launch(f"import signal\n{_READY}signal.pause()")
        _close(*channels)
        assert stubs.ended(pid) == "did not end in 0.01 s and was killed"
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_failed_start_is_its_reason_and_leaves_nothing(stubs: StubHost) -> None:
    before = _descriptors()
    with pytest.raises(InternalError, match=r"^no such luck\n\nAt:\n  model.py\(3\)$"):
        stubs.launch("say({'op': 'failed', 'error': 'no such luck\\n\\nAt:\\n  model.py(3)'})")
    assert _descriptors() == before


def test_death_during_the_start_is_noticed_at_once_and_logged(stubs: StubHost) -> None:
    before = _descriptors()
    with pytest.raises(InternalError, match=r"^Stub process 'm_0_0' is not healthy\.$"):
        stubs.launch("raise RuntimeError('a wreck')")
    assert stubs.log.texts()[-2:] == ["m_0_0: RuntimeError: a wreck", "m_0_0: exited with code 1"]
    assert _descriptors() == before


def test_start_that_hangs_ends_in_time_and_leaves_nothing(tmp_path: Path) -> None:
    before, children = _descriptors(), psutil.Process().children()
    hanging = "import signal, subprocess\nsubprocess.Popen(['sleep', '1000'])\nsignal.pause()"
    with StubHost(tmp_path, load_timeout_s=0.5) as stubs:
        late = "did not start within 0.5 seconds and its worker was killed$"
        with pytest.raises(InternalError, match=rf"^Python model instance 'm_0_0' {late}"):
            stubs.launch(hanging)
        with pytest.raises(InternalError, match=rf"^Python model instance 'm' {late}"):
            stubs.host.complete(stubs.spec(hanging))
    assert _descriptors() == before
    assert psutil.Process().children() == children


def test_start_that_hangs_ends_with_the_server(stubs: StubHost) -> None:
    failures: list[str] = []

    def launch() -> None:
        try:
            stubs.launch("import signal\nprint('hanging', flush=True)\nsignal.pause()")
        except InternalError as error:
            failures.append(error.message)

    launching = threading.Thread(target=launch)
    launching.start()
    stubs.log.wait_for("hanging")
    stubs.host.kill_all()
    launching.join()
    assert failures == ["Stub process 'm_0_0' is not healthy."]


@pytest.mark.parametrize(
    "words",
    ["b'\\xff\\xff\\xff\\xff'", "b'\\x02\\x00\\x00\\x00[]'", "b'\\x01\\x00\\x00\\x00{'"],
    ids=["endless", "no object", "no JSON"],
)
def test_worker_that_breaks_the_protocol_is_given_up(stubs: StubHost, words: str) -> None:
    with pytest.raises(InternalError, match=r"^Stub process 'm_0_0' is not healthy\.$"):
        stubs.launch(f"connection.sendall({words})\nhear()")
    assert any(text.startswith("m_0_0: a control message") for text in stubs.log.texts())


def test_interpreter_that_cannot_be_started_is_named(stubs: StubHost) -> None:
    program = stubs.directory / "python"
    program.write_text("#!/no/such/thing\n")
    program.chmod(0o755)
    parameter = f'key: "EXECUTION_ENV_PATH" value {{ string_value: "{program}" }}'
    with pytest.raises(
        InternalError, match=rf"^failed to start Python interpreter '{program}' for .* 'm_0_0': No"
    ):
        stubs.launch("", f"parameters {{ {parameter} }}")


def test_a_completing_worker_has_only_the_control_channel(stubs: StubHost) -> None:
    spec = stubs.spec(
        "assert sorted(options) == ['control-fd', 'parent-pid']\n"
        "assert start['mode'] == 'auto_complete'\n"
        "assert start['args']['model_instance_name'] == 'm'\n"
        "say({'op': 'completed', 'config': {'max_batch_size': 7}})"
    )
    assert stubs.host.complete(spec) == {"max_batch_size": 7}
    nothing = stubs.spec("say({'op': 'completed', 'config': None})")
    assert stubs.host.complete(nothing) is None


def test_a_failed_completion_is_its_reason(stubs: StubHost) -> None:
    spec = stubs.spec("say({'op': 'failed', 'error': 'dims'})")
    with pytest.raises(InternalError, match=r"^dims$"):
        stubs.host.complete(spec)
    with pytest.raises(InternalError, match=r"^Stub process 'm' is not healthy\.$"):
        stubs.host.complete(stubs.spec("import os\nos._exit(3)"))
