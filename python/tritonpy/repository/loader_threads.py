"""The threads that load and unload: jobs of one model in turn, different models at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tritonpy.errors import UnavailableError
from tritonpy.repository.futures import ended_after, pass_on


class LoaderThreads:
    """Runs jobs on `count` named threads. Thread-safe.

    Jobs of one model run one after another, in the order of their submission, and never hold a
    thread while they wait for their turn.
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="loader")
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._closed = False
        # The first job of each queue is running, or handed to the pool.
        self._queues: dict[str, deque[tuple[Future[None], Callable[[], None]]]] = {}

    def submit(self, model: str, job: Callable[[], None]) -> Future[None]:
        """Queue a job; raises UnavailableError once closed."""
        future: Future[None] = Future()
        with self._lock:
            if self._closed:
                raise UnavailableError("Server exiting")
            queue = self._queues.setdefault(model, deque())
            queue.append((future, job))
            if len(queue) == 1:
                self._pool.submit(self._run_first, model)
        return future

    def run_here(self, model: str, job: Callable[[], None], patience_s: float) -> bool:
        """Run a job on the calling thread, when no other of its model runs or waits.

        Returns whether that was so within `patience_s`, so that it ran; what it raises is raised.
        """
        future: Future[None] = Future()
        with self._idle:
            is_free = self._idle.wait_for(lambda: model not in self._queues, patience_s)
            if self._closed or not is_free:
                return False
            self._queues[model] = deque([(future, job)])
        self._run_first(model)
        future.result()
        return True

    def submit_after(
        self, before: Sequence[Future[None]], model: str, job: Callable[[], None]
    ) -> Future[None]:
        """Queue a job once everything `before` has ended, however it did. Holds no thread."""
        if not before:
            return self.submit(model, job)
        outcome: Future[None] = Future()

        def submit_now(_: Future[None]) -> None:
            try:
                submitted = self.submit(model, job)
            except UnavailableError as error:
                outcome.set_exception(error)
            else:
                pass_on(submitted, outcome)

        ended_after(before).add_done_callback(submit_now)
        return outcome

    def cancel_waiting(self) -> None:
        """Take no more jobs, and drop those that did not begin."""
        with self._lock:
            self._closed = True
            waiting = [future for queue in self._queues.values() for future, _ in queue]
        for future in waiting:
            future.cancel()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until every job has ended or was dropped; whether that came in time. Blocks."""
        with self._idle:
            return self._idle.wait_for(self._all_done, timeout_s)

    def close(self) -> None:
        """Drop the jobs that did not begin and wait for those that did."""
        self.cancel_waiting()
        self._pool.shutdown()

    def _all_done(self) -> bool:
        # A job's future is done a moment before it leaves its queue; who waited for it may ask now.
        return all(future.done() for queue in self._queues.values() for future, _ in queue)

    def _run_first(self, model: str) -> None:
        future, job = self._queues[model][0]
        if future.set_running_or_notify_cancel():
            try:
                job()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)
        with self._lock:
            queue = self._queues[model]
            queue.popleft()
            if queue and not self._closed:
                self._pool.submit(self._run_first, model)
            else:
                del self._queues[model]  # what waited was cancelled as the threads closed
                self._idle.notify_all()
