"""The host's half of one worker's control channel: hears the worker, and answers it.

What the worker asks for in passing (a log line, a metric) is done by the thread that reads; what
takes long (loading a model) is begun there and answered by whoever ends it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final, Protocol

from tritonpy.errors import InternalError, InvalidArgError, TritonError
from tritonpy.worker_host.channel import ChannelError, ControlChannel, Message
from tritonpy.worker_host.metric_store import MetricHolder
from tritonpy.worker_host.model_control import ModelControl

_MESSAGE_MAX: Final = 16 * 1024  # characters of a log message
_OUTCOMES: Final = frozenset(("ready", "failed", "completed"))


class ForwardingLog(Protocol):
    """The server's log, for lines that come with their place in a model's source."""

    def forward(self, level: str, text: str, file: str, line: int) -> None:
        """Log `text` as if it came from there. Level: INFO, WARNING, ERROR or VERBOSE."""

    def error(self, text: str) -> None:
        """Log what went wrong."""


class ControlServer:
    """Serves one worker until it closes its channel. Thread-safe."""

    def __init__(
        self,
        name: str,
        channel: ControlChannel,
        log: ForwardingLog,
        metrics: MetricHolder,
        models: ModelControl,
    ) -> None:
        self._name = name
        self._channel = channel
        self._log = log
        self._metrics = metrics
        self._models = models
        # The worker's first word on how its start went; InternalError when it dies before.
        self.started: Future[Message] = Future()
        self._lock = threading.Lock()
        self._ended = False
        self._asked: Future[bool] | None = None  # is_ready, while it is not answered
        self._last_id = 0
        self._calls: Mapping[str, Callable[[Message], Any]] = {
            "log": self._write_log,
            "metric_family": self._make_family,
            "metric": self._make_metric,
            "metric_update": self._update_metric,
            "metric_value": lambda message: metrics.value(_integer(message, "metric")),
            "metric_delete": self._delete_metric,
            "load_model": self._load_model,
            "unload_model": self._unload_model,
            "is_model_ready": self._is_model_ready,
        }
        self._thread = threading.Thread(target=self._run, name=f"control {name}", daemon=True)
        self._thread.start()

    def start(self, message: Mapping[str, Any], timeout_s: float | None = None) -> Message:
        """Send the start message and return how the start went. Blocks as long as it takes.

        Raises InternalError `Stub process '<instance>' is not healthy.` when the worker dies, and
        TimeoutError after `timeout_s`.
        """
        self._channel.send(message)
        try:
            return self.started.result(timeout_s)
        except FutureTimeoutError as error:  # TimeoutError itself from Python 3.11 on
            raise TimeoutError from error

    def ask_ready(self) -> Future[bool]:
        """Ask the model's own is_ready; a question that is not answered yet is shared.

        The future raises InternalError with the worker's text, or when it dies.
        """
        with self._lock:
            if self._asked is not None:
                return self._asked
            asked: Future[bool] = Future()
            asked.set_running_or_notify_cancel()  # nobody who waits for it can cancel it
            if self._ended:
                asked.set_exception(self._not_healthy())
                return asked
            self._asked = asked
            self._last_id += 1
            question = {"op": "is_ready", "id": self._last_id}
        self._channel.send(question)
        return asked

    def join(self) -> None:
        """Wait until nothing of the worker's is served any more. REQUIRES: its end is shut."""
        self._thread.join()

    def _run(self) -> None:
        try:
            while (message := self._channel.receive()) is not None:
                self._handle(message)
        except ChannelError as error:
            self._log.error(f"{self._name}: {error}")
        finally:
            self._finish()

    def _finish(self) -> None:
        """Nothing more comes from the worker: nobody may wait for it any longer."""
        self._channel.shut()
        with self._lock:
            self._ended = True
            asked, self._asked = self._asked, None
        if not self.started.done():
            self.started.set_exception(self._not_healthy())
        if asked is not None:
            asked.set_exception(self._not_healthy())
        self._metrics.release()
        self._channel.close()

    def _not_healthy(self) -> InternalError:
        return InternalError(f"Stub process '{self._name}' is not healthy.")

    def _handle(self, message: Message) -> None:
        operation = _text(message, "op")
        if operation in _OUTCOMES:
            if not self.started.done():
                self.started.set_result(message)
        elif operation == "answer":
            self._take_answer(message)
        else:
            self._serve(operation, message)

    def _take_answer(self, message: Message) -> None:
        with self._lock:
            asked = self._asked
            if asked is None or message.get("id") != self._last_id:
                return
            self._asked = None
        error = message.get("error")
        if error is not None:
            asked.set_exception(InternalError(str(error)))
        else:
            asked.set_result(message.get("value") is True)

    def _serve(self, operation: str, message: Message) -> None:
        call = self._calls.get(operation)
        try:
            if call is None:
                raise InvalidArgError(f"unknown control operation '{operation}'")
            value = call(message)
        except TritonError as error:
            self._answer(message, None, error.message)
            return
        if isinstance(value, Future):
            value.add_done_callback(lambda done: self._answer_later(message, done))
        else:
            self._answer(message, value, None)

    def _answer_later(self, message: Message, done: Future[Any]) -> None:
        error = InternalError("Server exiting") if done.cancelled() else done.exception()
        text = None if error is None else str(error)
        self._answer(message, None, text)

    def _answer(self, message: Message, value: object, error: str | None) -> None:
        number = message.get("id")
        if isinstance(number, int):
            self._channel.send({"op": "answer", "id": number, "error": error, "value": value})

    def _write_log(self, message: Message) -> None:
        text = f"{self._name}: {_text(message, 'message')[:_MESSAGE_MAX]}"
        file, line = _text(message, "file"), message.get("line")
        level = _text(message, "level")
        self._log.forward(level, text, file, line if isinstance(line, int) else 0)

    def _make_family(self, message: Message) -> int:
        name, description = _text(message, "name"), _text(message, "description")
        return self._metrics.make_family(name, description, _text(message, "kind").lower())

    def _make_metric(self, message: Message) -> int:
        labels = message.get("labels") or {}
        if not isinstance(labels, dict):
            raise InvalidArgError("Failed to create metric. Labels must be a dictionary.")
        pairs = tuple((str(name), str(value)) for name, value in labels.items())
        buckets = message.get("buckets")
        if buckets is not None and not _are_numbers(buckets):
            raise InvalidArgError("Failed to create metric. Buckets must be a list.")
        return self._metrics.make_metric(_integer(message, "family"), pairs, buckets)

    def _update_metric(self, message: Message) -> None:
        amount = message.get("value")
        if amount is None or not _is_number(amount):
            raise InvalidArgError(f"a metric cannot be updated by '{amount}'")
        number = _integer(message, "metric")
        self._metrics.update(number, _text(message, "kind"), float(amount))

    def _delete_metric(self, message: Message) -> None:
        if "family" in message:
            self._metrics.delete_family(_integer(message, "family"))
        else:
            self._metrics.delete_metric(_integer(message, "metric"))

    def _load_model(self, message: Message) -> Future[None]:
        files = message.get("files") or {}
        if not isinstance(files, dict):
            raise InvalidArgError("the files of a model must be an object")
        encoded = {str(path): str(content) for path, content in files.items()}
        return self._models.load(_text(message, "name"), _text(message, "config"), encoded)

    def _unload_model(self, message: Message) -> Future[None]:
        dependents = message.get("unload_dependents") is True
        return self._models.unload(_text(message, "name"), dependents)

    def _is_model_ready(self, message: Message) -> bool:
        return self._models.is_ready(_text(message, "name"), _text(message, "version"))


def _text(message: Message, key: str) -> str:
    value = message.get(key)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _integer(message: Message, key: str) -> int:
    value = message.get(key)
    return value if isinstance(value, int) else -1


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(
        _is_number(value) and not math.isnan(value) for value in values
    )


def _is_number(value: Any) -> bool:
    # JSON has integers that no float can hold.
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() < 1000)
