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
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from tritonpy.worker import wire
from tritonpy.worker.answer_message import Answer
from tritonpy.worker.call_link import CallLink
from tritonpy.worker.errors import TritonModelException
from tritonpy.worker.infer_message import infer_message
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.response import failed
from tritonpy.worker.sending import Sender

if TYPE_CHECKING:
    from tritonpy.worker.request import InferenceRequest

# So much is taken before the server is told: a fraction of what it sends ahead.
_TOLD_TOGETHER: Final = 1 << 20


def _gone(number: int) -> Answer:
    text = "The server has closed the connection to this worker."
    return Answer(number, failed(text), is_final=True)


class Call:
    """One request under way. `notify` is called, from any thread, when an answer is there."""

    __slots__ = ("answers", "is_dropped", "notify", "number", "signal", "taken")

    def __init__(self, number: int, notify: Callable[[], None] | None) -> None:
        self.number = number
        self.notify = notify
        self.answers: deque[Answer] = deque()
        self.taken = 0  # charges of the answers that were taken and the server not told of
        self.is_dropped = False
        # Of the thread that waits while another leads; held but for a moment.
        self.signal: threading.Lock | None = None


class Calls:
    """The calls under way on one channel. Thread-safe."""

    def __init__(
        self, link: CallLink, sender: Sender, inputs: InputArena, outputs: OutputArena
    ) -> None:
        self._link = link
        self._sender = sender
        self._inputs = inputs
        self._outputs = outputs
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call] = {}
        self._waiting: dict[int, Call] = {}
        self._is_led = False
        self._notified_count = 0  # of the calls, those with `notify`
        self._has_ended = False
        self._loop_work = threading.Semaphore(0)
        self._loop_thread: threading.Thread | None = None

    def start(
        self,
        request: InferenceRequest,
        is_decoupled: bool,
        notify: Callable[[], None] | None = None,
    ) -> Call:
        """Send the INFER for `request`. TritonModelException where it cannot be written."""
        number = next(self._numbers)
        message = self._link.infer(request, number, is_decoupled)
        message = message or self._unusual(request, number, is_decoupled)
        return self._start(Call(number, notify), message)

    def ask(self, request: InferenceRequest) -> tuple[Call | None, Answer]:
        """Send the INFER for `request` and wait for the first answer; no call if it is the last.

        TritonModelException where it cannot be written.
        """
        number = next(self._numbers)
        message = self._link.infer(request, number, False)
        message = message or self._unusual(request, number, False)
        asked = self._ask_alone(number, message)
        if asked is not None:
            return asked
        call = self._start(Call(number, None), message)
        return call, self.next_answer(call)

    def _ask_alone(self, number: int, message: bytes) -> tuple[Call | None, Answer] | None:
        """As `ask`, in few steps; None, and nothing is done, if others read or send just now."""
        with self._lock:
            if self._is_led or self._has_ended:
                return None
            self._is_led = True
        call = None
        try:
            answer = self._link.exchange(message, number, self._deliver)
            if answer is not None and not answer.is_final:
                call = self._calls[number] = Call(number, None)
        except (OSError, ValueError):
            self._end()
            answer = _gone(number)
        finally:
            self._hand_over()
        if answer is None:
            return None
        if call is not None:
            self._count_as_taken(call, answer)
        return call, answer

    def _unusual(self, request: InferenceRequest, number: int, is_decoupled: bool) -> bytes:
        try:
            return infer_message(
                request, number, self._inputs, self._outputs, is_decoupled=is_decoupled
            )
        except StructError as error:
            raise TritonModelException(
                f"The request for model '{request._model_name}' has a number that is out of range: "
                f"{error}"
            ) from error

    def _start(self, call: Call, message: bytes) -> Call:
        with self._lock:
            if self._has_ended:
                call.answers.append(_gone(call.number))
                return call
            self._calls[call.number] = call
            if call.notify is not None:
                self._notified_count += 1
                if not self._is_led:
                    self._wake_loop_thread()
        self._sender.send(message)
        return call

    def cancel(self, call: Call) -> None:
        """Tell the server that the answers are of no use any more; the last one still comes."""
        self._sender.send(wire.message(wire.CANCEL, wire.CALL.pack(call.number)))

    def drop_from_finalizer(self, call: Call) -> None:
        """Cancel a call that nobody will ask for answers any more, from `__del__`."""
        if call.number in self._calls:
            call.is_dropped = True
            message = wire.message(wire.CANCEL, wire.CALL.pack(call.number))
            self._sender.send_from_finalizer(message)

    def next_answer(self, call: Call) -> Answer:
        """Return the next answer to `call`; waits for it."""
        answer = None
        while answer is None:
            signal = None
            with self._lock:
                if call.answers:
                    answer = call.answers.popleft()
                    break
                if self._is_led:
                    signal = self._signal_of(call)
                self._is_led = True
            if signal is not None:
                signal.acquire()
            else:
                answer = self._lead_to_answer(call)
        self._count_as_taken(call, answer)
        return answer

    def take(self, call: Call) -> Answer | None:
        """Return the next answer to `call` if it is there."""
        with self._lock:
            if not call.answers:
                return None
            answer = call.answers.popleft()
        self._count_as_taken(call, answer)
        return answer

    def _count_as_taken(self, call: Call, answer: Answer) -> None:
        if answer.is_final:
            return
        with self._lock:
            call.taken += answer.charge
            if call.taken < _TOLD_TOGETHER:
                return
            taken, call.taken = call.taken, 0
        message = wire.message(wire.READ, wire.READ_CHARGE.pack(call.number, taken))
        with suppress(OSError):  # the server is gone, as the next answer says
            self._sender.send(message)

    def _lead_to_answer(self, call: Call) -> Answer | None:
        """Read until an answer to `call` is there; None if it went to those that were delivered."""
        own = None
        try:
            while own is None:
                answer = self._receive()
                if answer is None:
                    break
                if answer.call == call.number:
                    own = answer
                else:
                    self._deliver(answer)
        finally:
            self._hand_over(call if own is not None and own.is_final else None)
        return own

    def _receive(self) -> Answer | None:
        """Return the next answer; None, and all calls have failed, when the server is gone."""
        try:
            answer = self._link.receive()
        except (OSError, ValueError):
            answer = None
        if answer is None:
            self._end()
        return answer

    def _deliver(self, answer: Answer) -> None:
        with self._lock:
            call = self._calls.get(answer.call)
            if call is None:
                return
            if answer.is_final:
                self._forget(call)
            if call.is_dropped:
                return
            call.answers.append(answer)
            self._wake(call)
        if call.notify is not None:
            call.notify()

    def _forget(self, call: Call) -> None:
        del self._calls[call.number]
        self._notified_count -= call.notify is not None

    def _signal_of(self, call: Call) -> threading.Lock:
        """Return what is released when an answer to `call` is there, or nobody leads."""
        if call.signal is None:
            call.signal = threading.Lock()
            call.signal.acquire()
        self._waiting[call.number] = call
        return call.signal

    def _wake(self, call: Call) -> None:
        if self._waiting.pop(call.number, None) is not None and call.signal is not None:
            call.signal.release()

    def _end(self) -> None:
        """Fail all calls: the server is gone."""
        with self._lock:
            self._has_ended = True
            numbers = list(self._calls)
        for number in numbers:
            self._deliver(_gone(number))

    def _hand_over(self, ended: Call | None = None) -> None:
        """Let another lead; `ended` is a call that the leader takes the last answer to itself."""
        with self._lock:
            self._is_led = False
            if ended is not None:
                self._forget(ended)
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
                    self._deliver_to_loops()
                finally:
                    self._hand_over()

    def _deliver_to_loops(self) -> None:
        while self._notified_count > 0:
            answer = self._receive()
            if answer is None:
                return
            self._deliver(answer)
