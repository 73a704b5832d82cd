"""Goal: what a worker prints is logged, all of it or a bounded part, and its last words always.

Method: pipes written by the test, a clock that stands still, and workers that die in the middle.
"""

from __future__ import annotations

import os

import pytest

from tests.python.worker_host.stub_models import StubHost, WaitableLog
from tritonpy.worker_host.output import (
    LAST_LINES,
    LINE_MAX,
    LINES_AT_ONCE,
    LINES_PER_S,
    Allowance,
    LineLog,
    WorkerOutput,
)

_READY = "say({'op': 'ready', 'has_is_ready': False})\n"


class Pipes:
    """The output of a worker that the test plays."""

    def __init__(self) -> None:
        self.log = WaitableLog()
        self.now_s = 0.0
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self.output = WorkerOutput("m_0_0", out, err, self.log, lambda: self.now_s)

    def end(self) -> list[tuple[str, str]]:
        """Close the worker's ends and return everything that was logged."""
        os.close(self.stdout)
        os.close(self.stderr)
        self.output.finish()
        return self.log.lines


def test_lines_are_logged_with_the_name_and_errors_as_warnings() -> None:
    pipes = Pipes()
    os.write(pipes.stdout, b"one\ntwo \n\nhal")
    pipes.log.wait_for("two")
    os.write(pipes.stdout, b"f\xff")
    os.write(pipes.stderr, b"wrong\n")
    lines = pipes.end()
    assert [line for line in lines if line[0] == "INFO"] == [
        ("INFO", "m_0_0: one"),
        ("INFO", "m_0_0: two"),
        ("INFO", "m_0_0: half\ufffd"),
    ]
    assert ("WARNING", "m_0_0: wrong") in lines


def test_overlong_lines_are_cut() -> None:
    pipes = Pipes()
    os.write(pipes.stdout, b"a" * (LINE_MAX + 1) + b"\nb\n")
    assert pipes.end() == [("INFO", f"m_0_0: {'a' * LINE_MAX} ..."), ("INFO", "m_0_0: b")]


def test_flood_is_counted_and_its_end_is_kept() -> None:
    pipes = Pipes()
    count = LINES_AT_ONCE + LAST_LINES + 50
    with os.fdopen(os.dup(pipes.stdout), "wb") as stdout:
        stdout.writelines(b"%d\n" % number for number in range(count))
    texts = [text for _, text in pipes.end()]
    assert texts[:LINES_AT_ONCE] == [f"m_0_0: {number}" for number in range(LINES_AT_ONCE)]
    assert texts[LINES_AT_ONCE] == "m_0_0: 50 lines of output are left out"
    assert texts[LINES_AT_ONCE + 1 :] == [
        f"m_0_0: {number}" for number in range(count - LAST_LINES, count)
    ]


def test_flood_that_goes_on_is_let_through_a_second_at_a_time() -> None:
    now_s = 0.0
    logged: list[str] = []
    lines = LineLog("m", logged.append, Allowance(LINES_PER_S, LINES_AT_ONCE, lambda: now_s))
    lines.feed(b"x\n" * (LINES_AT_ONCE + 7))
    assert logged == ["m: x"] * LINES_AT_ONCE
    now_s = 0.9
    lines.feed(b"y\n")
    assert len(logged) == LINES_AT_ONCE
    now_s = 1.0
    lines.feed(b"z\n" * (LINES_PER_S + 2))
    assert logged[LINES_AT_ONCE:] == ["m: 8 lines of output are left out"] + ["m: z"] * LINES_PER_S
    now_s = 2.5
    lines.catch_up()
    assert logged[-1] == "m: 2 lines of output are left out"
    lines.finish()
    assert len(logged) == LINES_AT_ONCE + LINES_PER_S + 2


def test_pipe_that_a_child_holds_open_does_not_hold_the_end_up() -> None:
    pipes = Pipes()
    os.write(pipes.stdout, b"last words")
    pipes.output.finish()
    assert pipes.log.lines == [("INFO", "m_0_0: last words")]
    os.close(pipes.stdout)
    os.close(pipes.stderr)


def test_traceback_of_a_dying_interpreter_is_logged(stubs: StubHost) -> None:
    *channels, pid = stubs.launch(_READY + "print('working')\nraise RuntimeError('a wreck')")
    for channel in channels:
        os.close(channel)
    assert stubs.ended(pid) == "exited with code 1"
    assert ("INFO", "m_0_0: working") in stubs.log.lines
    assert stubs.log.lines[-1] == ("WARNING", "m_0_0: RuntimeError: a wreck")


@pytest.mark.parametrize("way", ["os.abort()", "ctypes.string_at(0)"])
def test_crash_says_where_it_happened(stubs: StubHost, way: str) -> None:
    *channels, pid = stubs.launch(_READY + f"import ctypes, os\nprint('last words')\n{way}")
    for channel in channels:
        os.close(channel)
    assert stubs.ended(pid).startswith("killed by signal ")
    texts = stubs.log.texts()
    assert "m_0_0: last words" in texts
    assert any("Fatal Python error" in text for text in texts)


def test_flooding_worker_is_ended_like_any_other(stubs: StubHost) -> None:
    *channels, pid = stubs.launch(_READY + "while True: print('x' * 1000)")
    stubs.log.wait_for("xxx")
    stubs.host.kill_all()
    for channel in channels:
        os.close(channel)
    assert stubs.ended(pid) == "killed by signal 9"
