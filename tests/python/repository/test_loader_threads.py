"""Goal: one model's jobs take turns, models do not wait for each other. Method: jobs that wait."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from functools import partial

import pytest

from tritonpy.errors import InternalError, UnavailableError
from tritonpy.repository.loader_threads import LoaderThreads

_LONG_S = 60.0


def test_jobs_of_one_model_run_in_order_and_hold_no_thread_while_they_wait() -> None:
    threads = LoaderThreads(2)
    gate = threading.Event()
    order: list[str] = []

    def first() -> None:
        gate.wait(_LONG_S)
        order.append("first")

    # Two threads, one held: had the three others of the model a thread, "other" would never run.
    jobs = [threads.submit("m", first)]
    jobs += [threads.submit("m", partial(order.append, number)) for number in "234"]
    threads.submit("other", lambda: order.append("other")).result(_LONG_S)
    assert order == ["other"]
    gate.set()
    for job in jobs:
        job.result(_LONG_S)
    assert order == ["other", "first", "2", "3", "4"]
    threads.close()


def test_jobs_of_different_models_run_at_once() -> None:
    threads = LoaderThreads(4)
    together = threading.Barrier(4, timeout=_LONG_S)

    def meet() -> None:
        together.wait()

    for job in [threads.submit(name, meet) for name in "abcd"]:
        job.result(_LONG_S)
    threads.close()


def test_errors_reach_the_future_and_the_next_job_runs() -> None:
    threads = LoaderThreads(1)

    def fail() -> None:
        raise InternalError("no")

    failed = threads.submit("m", fail)
    done = threads.submit("m", lambda: None)
    with pytest.raises(InternalError, match="no"):
        failed.result(_LONG_S)
    done.result(_LONG_S)
    threads.close()


def test_idle_is_when_no_job_runs_or_waits() -> None:
    threads = LoaderThreads(1)
    gate = threading.Event()
    assert threads.wait_until_idle(0)

    def wait() -> None:
        gate.wait(_LONG_S)

    threads.submit("m", wait)
    threads.submit("m", lambda: None)
    assert not threads.wait_until_idle(0)
    gate.set()
    assert threads.wait_until_idle(_LONG_S)
    threads.close()


def test_who_was_just_told_that_the_last_job_is_done_finds_the_threads_idle() -> None:
    threads = LoaderThreads(1)
    told, looked = threading.Event(), threading.Event()

    def hold(_: object) -> None:  # on the loader thread, before the job leaves its queue
        told.set()
        looked.wait(_LONG_S)

    gate = threading.Event()

    def wait() -> None:
        gate.wait(_LONG_S)

    threads.submit("m", wait).add_done_callback(hold)
    gate.set()
    assert told.wait(_LONG_S)
    assert threads.wait_until_idle(0)
    looked.set()
    threads.close()


def test_jobs_that_were_dropped_keep_nobody_from_being_idle() -> None:
    threads = LoaderThreads(1)
    started, gate = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        gate.wait(_LONG_S)

    for model in "mmn":
        threads.submit(model, wait)
    assert started.wait(_LONG_S)
    threads.cancel_waiting()
    assert not threads.wait_until_idle(0)
    gate.set()
    assert threads.wait_until_idle(_LONG_S)
    threads.close()


def test_closing_waits_for_running_jobs_and_drops_waiting_ones() -> None:
    threads = LoaderThreads(1)
    started, gate = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        gate.wait(_LONG_S)

    running = threads.submit("m", wait)
    waiting = [threads.submit("m", lambda: None), threads.submit("n", lambda: None)]
    started.wait(_LONG_S)
    threads.cancel_waiting()
    gate.set()
    threads.close()
    assert running.result(_LONG_S) is None
    for job in waiting:
        with pytest.raises(CancelledError):
            job.result(_LONG_S)
    with pytest.raises(UnavailableError, match="Server exiting"):
        threads.submit("m", lambda: None)


def test_a_job_runs_here_once_its_model_is_free_and_keeps_its_turn() -> None:
    threads = LoaderThreads(2)
    gate, begun = threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        begun.set()
        gate.wait(_LONG_S)
        order.append("first")

    def here() -> None:
        assert threading.current_thread() is threading.main_thread()
        assert not threads.run_here("m", lambda: order.append("never"), 0)
        order.append("here")

    threads.submit("m", first)
    begun.wait(_LONG_S)
    assert not threads.run_here("m", here, 0)
    gate.set()
    assert threads.run_here("m", here, _LONG_S)
    threads.submit("m", lambda: order.append("last")).result(_LONG_S)
    assert order == ["first", "here", "last"]

    def fail() -> None:
        raise InternalError("no")

    with pytest.raises(InternalError, match=r"^no$"):
        threads.run_here("m", fail, _LONG_S)
    threads.close()
    assert not threads.run_here("m", here, 0)
