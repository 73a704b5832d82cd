"""A worker's life: it initialises the model, serves batches, finalises; or completes a config."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import threading
import traceback
from typing import Any, Final, NamedTuple

from tritonpy.worker import process, runtime
from tritonpy.worker.control_channel import ControlChannel
from tritonpy.worker.errors import describe
from tritonpy.worker.execution import BatchRunner
from tritonpy.worker.input_arena import InputArena
from tritonpy.worker.loading import ModelFileError, import_model, model_class
from tritonpy.worker.model_config import ModelConfig
from tritonpy.worker.model_signature import ModelSignature
from tritonpy.worker.output_arena import OutputArena
from tritonpy.worker.worker import Worker

_SERVE: Final = "serve"
_FAILED_CODE: Final = 1
_COLLECTION_THRESHOLD: Final = 10_000


class Descriptors(NamedTuple):
    """What this process was given to talk through; -1 for what a mode does not need."""

    control: int
    execute: int
    executed: int
    answers: int
    calls: int
    inputs: int
    outputs: int


def run(descriptors: Descriptors) -> int:
    """Do what the server's start message says, to the end; return the exit code."""
    process.keep_private(descriptors)
    control = ControlChannel(descriptors.control)
    start = control.receive()
    if start is None:
        return _FAILED_CODE
    try:
        if start["mode"] == _SERVE:
            return _serve(start, descriptors, control)
        control.send({"op": "completed", "config": _completed(start)})
    except _StartError as error:
        control.send({"op": "failed", "error": str(error)})
        return _FAILED_CODE
    return 0


class _StartError(Exception):
    """The model could not be started; the text is for whoever loads it."""


def _completed(start: dict[str, Any]) -> dict[str, Any] | None:
    """Return the configuration as the model completes it, None if it has nothing to say."""
    config = json.loads(start["args"]["model_config"])
    runtime.serve_model_in(start["args"]["model_repository"])
    try:
        model = model_class(import_model(start["model_path"]))
        complete = getattr(model, "auto_complete_config", None)
        if complete is None:
            return None
        completed = complete(ModelConfig(config))
        if not isinstance(completed, ModelConfig):
            raise ModelFileError(
                f"auto_complete_config function in model '{start['args']['model_name']}' must "
                "return a valid pb.ModelConfig object."
            )
        return completed.as_dict()
    except BaseException as error:
        raise _start_error(error) from error


def _start_error(error: BaseException) -> _StartError:
    if isinstance(error, ModelFileError):
        return _StartError(str(error))
    traceback.print_exc()
    return _StartError(describe(error))


def _serve(start: dict[str, Any], descriptors: Descriptors, control: ControlChannel) -> int:
    worker = _worker(start, descriptors, control)
    runtime.serve_model_in(start["args"]["model_repository"])
    runtime.start(worker)
    questions = _Questions(control)
    control.read_in_thread(questions.answer, lambda: os._exit(_FAILED_CODE))
    try:
        model = model_class(import_model(start["model_path"]))()
        questions.model = model
        initialize = getattr(model, "initialize", None)
        if initialize is not None:
            initialize(start["args"])
        runner = BatchRunner(worker, model)
    except BaseException as error:
        raise _start_error(error) from error
    # What is there now stays: later collections need not look at it.
    gc.collect()
    gc.freeze()
    # A batch's objects refer to each other in one direction and go by themselves, so that looking
    # for cycles after every 700 of them, which is the default, finds nothing.
    gc.set_threshold(_COLLECTION_THRESHOLD, 10, 10)
    worker.bls.is_open = True
    control.send({"op": "ready", "has_is_ready": hasattr(model, "is_ready")})
    _serve_batches(worker, runner)
    worker.bls.is_open = False
    worker.ended.set()
    finalize = getattr(model, "finalize", None)
    if finalize is not None:
        try:
            finalize()
        except BaseException:  # it ends anyway; the server logs what is printed
            traceback.print_exc()
    runtime.start(None)
    return 0


def _worker(start: dict[str, Any], descriptors: Descriptors, control: ControlChannel) -> Worker:
    arguments = start["args"]
    signature = ModelSignature(
        arguments["model_name"],
        arguments["model_instance_name"],
        start["inputs"],
        start["outputs"],
        is_decoupled=bool(start["decoupled"]),
    )
    return Worker(
        signature,
        control,
        (descriptors.execute, descriptors.executed),
        (descriptors.answers, descriptors.calls),
        InputArena(descriptors.inputs),
        OutputArena(descriptors.outputs),
        verbose_level=int(start.get("log", {}).get("verbose_level", 0)),
    )


def _serve_batches(worker: Worker, runner: BatchRunner) -> None:
    """Run batch after batch until the server closes the channel: the model is unloaded."""
    batches = worker.batches
    is_open = True
    while is_open:
        requests = batches.receive()
        if requests is None:
            return
        body = runner.run(requests)
        del requests  # what nobody else keeps is given back now
        is_open = batches.answer(body)


class _Questions:
    """Answers what the server asks of the model, each in a thread of its own."""

    def __init__(self, control: ControlChannel) -> None:
        self._control = control
        self.model: Any = None

    def answer(self, message: dict[str, Any]) -> None:
        """Begin to answer; nothing waits here, for answers to the model come through here, too."""
        if message.get("op") == "is_ready":
            threading.Thread(
                target=self._answer_is_ready, args=(message["id"],), name="is_ready", daemon=True
            ).start()

    def _answer_is_ready(self, number: int) -> None:
        error = None
        value = False
        try:
            result = self.model.is_ready()
            if inspect.iscoroutine(result):
                result = asyncio.run(result)
            if isinstance(result, bool):
                value = result
            else:
                error = f"is_ready() must return a bool, found type '{type(result)}'"
        except BaseException as raised:
            traceback.print_exc()
            error = describe(raised)
        self._control.send({"op": "answer", "id": number, "value": value, "error": error})
