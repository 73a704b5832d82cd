"""Requests that this process made and that are not answered yet (BLS).

Any number of threads wait on one socket. One of those that wait for an answer leads: it reads,
hands the others theirs, and when it has its own, lets another lead; so a lone caller reads its
answer itself, without a change of threads. For event loops, which must not wait, a thread of their
own leads when nobody else does.

Whoever leads reads the answers to all calls, also to those that nobody asks just now. So the server
is told what the model has taken, and sends no more than a few MiB of a call's answers ahead of it.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tritonpy.worker import wire
from tritonpy.worker.answer_message import Answer, read_answer
from tritonpy.worker.channel import Channel
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.response import failed

# So much is taken before the server is told: a fraction of what it sends ahead.
_TOLD_TOGETHER: Final = 1 << 20
_GONE: Final = "The server has closed the connection to this worker."


class Call:
    """One request under way. `notify` is called, from any thread, when an answer is there."""

    __slots__ = ("answers", "is_dropped", "is_waiting", "notify", "number", "signal", "taken")

    def __init__(self, number: int, notify: Callable[[], None] | None) -> None:
        self.number = number
        self.notify = notify
        self.answers: deque[Answer] = deque()
        self.taken = 0  # charges of the answers that were taken and the server not told of
        self.is_waiting = False
        self.is_dropped = False
        self.signal = threading.Lock()
        self.signal.acquire()


class Calls:
    """The calls under way on one channel. Thread-safe."""

    def __init__(self, channel: Channel, inputs: InputArena) -> None:
        self._channel = channel
        self._inputs = inputs
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call] = {}
        self._waiting: dict[int, Call] = {}
        self._is_led = False
        self._notified_count = 0  # of the calls, those with `notify`
        self._has_ended = False
        self._loop_work = threading.Semaphore(0)
        self._loop_thread: threading.Thread | None = None

    def start(self, body: Callable[[int], bytes], notify: Callable[[], None] | None = None) -> Call:
        """Send the INFER whose body `body` makes for the call's number."""
        call = Call(next(self._numbers), notify)
        message = body(call.number)
        with self._lock:
            if self._has_ended:
                call.answers.append(Answer(failed(_GONE), True))
                return call
            self._calls[call.number] = call
            if notify is not None:
                self._notified_count += 1
                if not self._is_led:
                    self._wake_loop_thread()
        self._channel.send(wire.INFER, message)
        return call

    def cancel(self, call: Call) -> None:
        """Tell the server that the answers are of no use any more; the last one still comes."""
        self._channel.send(wire.CANCEL, wire.CALL.pack(call.number))

    def drop_from_finalizer(self, call: Call) -> None:
        """Cancel a call that nobody will ask for answers any more, from `__del__`."""
        if call.number in self._calls:
            call.is_dropped = True
            self._channel.send_from_finalizer(wire.CANCEL, wire.CALL.pack(call.number))

    def next_answer(self, call: Call) -> Answer:
        """Return the next answer to `call`; waits for it."""
        while (answer := self.take(call)) is None:
            with self._lock:
                if call.answers:
                    continue
                leads = not self._is_led
                if leads:
                    self._is_led = True
                else:
                    call.is_waiting = True
                    self._waiting[call.number] = call
            if leads:
                try:
                    self._read_until(lambda: bool(call.answers))
                finally:
                    self._hand_over()
            else:
                call.signal.acquire()
        return answer

    def take(self, call: Call) -> Answer | None:
        """Return the next answer to `call` if it is there."""
        with self._lock:
            if not call.answers:
                return None
            answer = call.answers.popleft()
            if answer.is_final:
                return answer
            call.taken += answer.charge
            if call.taken < _TOLD_TOGETHER:
                return answer
            taken, call.taken = call.taken, 0
        with suppress(OSError):  # the server is gone, as the next answer says
            self._channel.send(wire.READ, wire.READ_CHARGE.pack(call.number, taken))
        return answer

    def _read_until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            try:
                message = self._channel.receive()
            except (OSError, ValueError):
                message = None
            if message is None:
                self._end()
                return
            kind, start, end = message
            if kind == wire.ANSWER:
                number, answer = read_answer(self._channel.buffer, start, end, self._inputs)
                self._deliver(number, answer)
                self._inputs.release()

    def _deliver(self, number: int, answer: Answer) -> None:
        with self._lock:
            call = self._calls.get(number)
            if call is None:
                return
            if answer.is_final:
                del self._calls[number]
                self._notified_count -= call.notify is not None
            if call.is_dropped:
                return
            call.answers.append(answer)
            self._wake(call)
        if call.notify is not None:
            call.notify()

    def _wake(self, call: Call) -> None:
        if call.is_waiting:
            call.is_waiting = False
            self._waiting.pop(call.number, None)
            call.signal.release()

    def _end(self) -> None:
        """Fail all calls: the server is gone."""
        with self._lock:
            self._has_ended = True
            numbers = list(self._calls)
        for number in numbers:
            self._deliver(number, Answer(failed(_GONE), True))

    def _hand_over(self) -> None:
        with self._lock:
            self._is_led = False
            for call in self._waiting.values():
                self._wake(call)
                return
            if self._notified_count:
                self._wake_loop_thread()

    def _wake_loop_thread(self) -> None:
        if self._loop_thread is None:
            self._loop_thread = threading.Thread(
                target=self._read_for_loops, name="bls-answers", daemon=True
            )
            self._loop_thread.start()
        self._loop_work.release()

    def _read_for_loops(self) -> None:
        while True:
            self._loop_work.acquire()
            with self._lock:
                leads = not self._is_led and self._notified_count > 0
                self._is_led |= leads
            if leads:
                try:
                    self._read_until(lambda: self._notified_count == 0)
                finally:
                    self._hand_over()
