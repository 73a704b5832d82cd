"""The server's end of a worker, in Python: an independent reading of the messages, for tests."""

from __future__ import annotations

import json
import mmap
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy
from numpy.typing import NDArray

import tritonpy
from tests.python.worker.message_parts import Reader, parameters, text
from tests.python.worker.pipes import Pipes, piped

PROGRAM: Final = Path(tritonpy.__file__).parent / "worker"
EXECUTE, EXECUTED, RESPONSE, INFER, CANCEL, ANSWER, READ = range(1, 8)
CODES: Final = {"TYPE_BOOL": 1, "TYPE_INT32": 8, "TYPE_INT64": 9, "TYPE_FP32": 11}
CODES_OF_MORE: Final = {"TYPE_FP64": 12, "TYPE_STRING": 13, "TYPE_BF16": 14}
DTYPES: Final = {1: "?", 8: "<i4", 9: "<i8", 11: "<f4", 12: "<f8", 14: "<u2"}
FIRST_BLOCK: Final = 64 << 10
INPUTS_SIZE: Final = 4 << 20


def serialized(items: Sequence[bytes]) -> bytes:
    """Return strings in V2's serialisation."""
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def strings_of(data: bytes) -> list[bytes]:
    """Return the strings in V2's serialisation."""
    items, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        items.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return items


@dataclass
class Request:
    """What the test asks; inputs by their place in the config."""

    inputs: dict[int, tuple[tuple[int, ...], bytes]] = field(default_factory=dict)
    outputs: tuple[int, ...] | None = None
    request_id: str = ""
    correlation: int | str = 0
    parameters: dict[str, bool | float | str] = field(default_factory=dict)
    flags: int = 0
    timeout_us: int = 0
    priority: int = 0
    cancel_index: int = 0xFFFFFFFF


def fp32(values: Any) -> tuple[tuple[int, ...], bytes]:
    """Return an FP32 input."""
    array = numpy.asarray(values, "<f4")
    return array.shape, array.tobytes()


@dataclass
class Response:
    """What came for one request. `verdict`: 0 answered, 1 open, 2 rescheduled."""

    verdict: int = 0
    error: str | None = None
    code: int = 0
    parameters: dict[str, bool | float | str] = field(default_factory=dict)
    outputs: dict[int, NDArray[Any] | list[bytes]] = field(default_factory=dict)
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    named_back: set[int] = field(default_factory=set)  # outputs that lie in the inputs
    key: int = 0
    block: int = 0
    is_final: bool = True
    is_empty: bool = False

    def values(self, index: int = 0) -> list[Any]:
        """Return an output as a list; AssertionError where there is an error."""
        assert self.error is None
        output = self.outputs[index]
        return output if isinstance(output, list) else list(output.tolist())


def pieces_of(requests: Sequence[Request]) -> list[bytes]:
    """Return the bytes of every tensor of a batch."""
    return [data for request in requests for _, data in request.inputs.values()]


def laid_out(pieces: Sequence[bytes]) -> tuple[list[int], int]:
    """Return where in a block tensors go, and where the block ends."""
    offsets, end = [], 0
    for piece in pieces:
        offsets.append(end)
        end = (end + len(piece) + 63) & ~63
    return offsets, end


def execute_body(
    requests: Sequence[Request], block: int, offsets: Sequence[int], first_key: int
) -> bytes:
    """Return the body of the EXECUTE for `requests`, whose tensors lie in `block`."""
    body = struct.pack("<QQI", block if offsets else 0, INPUTS_SIZE, len(requests))
    offset = iter(offsets)
    for key, request in enumerate(requests, first_key):
        number = 0 if isinstance(request.correlation, str) else request.correlation
        string = request.correlation if isinstance(request.correlation, str) else ""
        count = 0xFFFF if request.outputs is None else len(request.outputs)
        extras = b""
        if request.request_id or string or request.parameters:
            extras = text(request.request_id) + text(string) + parameters(request.parameters)
        body += struct.pack("<QQQQ", key, number, request.timeout_us, request.priority)
        body += struct.pack(
            "<IIHH", request.flags, request.cancel_index, len(request.inputs), count
        )
        body += struct.pack("<B3xI", isinstance(request.correlation, str), len(extras)) + extras
        for index, (shape, data) in request.inputs.items():
            body += struct.pack("<HHQQ", index, len(shape), next(offset), len(data))
            body += struct.pack(f"<{len(shape)}q", *shape)
        body += struct.pack(f"<{len(request.outputs or ())}H", *(request.outputs or ()))
    return body


class FakeServer:
    """Starts a worker and speaks with it. The requests' keys are their places, from 1 on."""

    def __init__(
        self,
        model_path: Path,
        config: dict[str, Any],
        *,
        mode: str = "serve",
        on_control: Callable[[dict[str, Any]], Any] | None = None,
        program: Path = PROGRAM,
    ) -> None:
        self._control, their_control = socket.socketpair()
        self._execute, batches = piped()
        self._calls, calls = piped()
        self.inputs = os.memfd_create("inputs", os.MFD_CLOEXEC)
        self.outputs = os.memfd_create("outputs", os.MFD_CLOEXEC)
        os.ftruncate(self.inputs, INPUTS_SIZE)
        self.input_map = mmap.mmap(self.inputs, INPUTS_SIZE)
        self.next_block = FIRST_BLOCK
        self.next_key = 1
        self.started: dict[str, Any] = {}
        self._on_control = on_control or (lambda message: None)
        self.control_messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        passed = {"control": their_control.fileno()}
        passed |= {"inputs": self.inputs, "outputs": self.outputs}
        passed |= {"execute": batches[0], "executed": batches[1]}
        passed |= {"answers": calls[0], "calls": calls[1]}
        command = [sys.executable, "-u", str(program), "--parent-pid", str(os.getpid())]
        for name, descriptor in passed.items():
            command += [f"--{name}-fd", str(descriptor)]
        self.process = subprocess.Popen(
            command, pass_fds=tuple(passed.values()), stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        their_control.close()
        for end in (*batches, *calls):
            os.close(end)
        self.send_control(_start_message(model_path, config, mode))
        self._reading = threading.Thread(target=self._read_control, daemon=True)
        self._reading.start()

    def send_control(self, message: dict[str, Any]) -> None:
        """Send a control message."""
        body = json.dumps(message).encode()
        self._control.sendall(struct.pack("<I", len(body)) + body)

    def _read_control(self) -> None:
        while True:
            head = _exactly(self._control, 4)
            body = head and _exactly(self._control, struct.unpack("<I", head)[0])
            if not body:
                self.control_messages.put(None)
                return
            message = json.loads(body)
            if "id" in message and message["op"] != "answer":
                self.send_control({"op": "answer", "id": message["id"], **self._told(message)})
            self.control_messages.put(message)

    def _told(self, message: dict[str, Any]) -> dict[str, Any]:
        value = self._on_control(message)
        return {"error": str(value)} if isinstance(value, Exception) else {"value": value}

    def next_control(self, operation: str) -> dict[str, Any]:
        """Wait for a control message of one operation; others before it are passed over."""
        while True:
            message = self.control_messages.get()
            assert message is not None, f"the worker ended: {self.errors()}"
            if message["op"] == operation:
                return message

    def next_control_is_end(self) -> bool:
        """Wait for the next control message; whether it is the channel's end."""
        return self.control_messages.get() is None

    @staticmethod
    def kill_child(pid: int) -> None:
        """End a process that a model has left behind."""
        os.kill(pid, signal.SIGKILL)

    def errors(self) -> str:
        """Wait for the worker's end and return what it printed as errors."""
        return self.process.communicate()[1].decode()

    def write_block(self, pieces: Sequence[bytes]) -> tuple[int, list[int]]:
        """Write tensors into a new block of the inputs; return its place and their offsets."""
        offsets, end = laid_out(pieces)
        start = self.next_block
        self.next_block = start + 64 + end
        assert self.next_block <= INPUTS_SIZE
        struct.pack_into("<I", self.input_map, start, 1)
        for at, piece in enumerate(pieces):
            place = start + 64 + offsets[at]
            self.input_map[place : place + len(piece)] = piece
        return start + 64, offsets

    def is_lent(self, block: int) -> bool:
        """Whether the worker still has a block of the inputs."""
        return bool(struct.unpack_from("<I", self.input_map, block - 64)[0])

    def namings(self, block: int) -> int:
        """Return how often the worker has named bytes of a block of the inputs back."""
        count: int = struct.unpack_from("<I", self.input_map, block - 60)[0]
        return count

    def begin(self, requests: Sequence[Request]) -> int:
        """Send a batch; return the place of its block of the inputs."""
        block, offsets = self.write_block(pieces_of(requests))
        body = execute_body(requests, block, offsets, self.next_key)
        self.next_key += len(requests)
        self._execute.sendall(struct.pack("<IHH", len(body), EXECUTE, 0) + body)
        return block

    def finish(self) -> list[Response]:
        """Wait for the batch's answers; one for all of them if the batch failed as a whole."""
        kind, body = self._receive(self._execute)
        assert kind == EXECUTED
        reader = Reader(body)
        outcome, code, _, count, size = reader.take("BBHIQ")
        if outcome:
            return [Response(error=reader.text(), code=code)]
        responses = []
        for _ in range(count):
            (verdict,) = reader.take("B3x")
            response = self._response(reader, size) if verdict == 0 else Response()
            response.verdict = verdict
            responses.append(response)
        assert reader.is_at_end()
        return responses

    def execute(self, *requests: Request) -> list[Response]:
        """Run a batch."""
        self.begin(requests)
        return self.finish()

    def late_response(self) -> Response:
        """Wait for a response that comes outside of a batch's answer."""
        kind, reader = self.next_call()
        assert kind == RESPONSE
        key, size, flags, verdict = reader.take("QQIB3x")
        response = Response(is_empty=True) if verdict else self._response(reader, size)
        assert reader.is_at_end()
        response.key, response.is_final = key, bool(flags & 1)
        return response

    def next_call(self) -> tuple[int, Reader]:
        """Wait for a message on the channel of calls."""
        kind, body = self._receive(self._calls)
        return kind, Reader(body)

    def send_call(self, kind: int, body: bytes) -> None:
        """Send a message on the channel of calls."""
        self._calls.sendall(struct.pack("<IHH", len(body), kind, 0) + body)

    def output_bytes(self, place: int, size: int) -> bytes:
        """Return bytes of the outputs."""
        return os.pread(self.outputs, size, place)

    def free_output(self, block: int) -> None:
        """Give a block of the outputs back."""
        os.pwrite(self.outputs, b"\0\0\0\0", block - 64)

    def _response(self, reader: Reader, arena_size: int) -> Response:
        has_error, code, count, parameter_count, block, base = reader.take("BBHIQQ")
        error = reader.text() if has_error else None
        parameters = reader.parameters(parameter_count)
        response = Response(error=error, code=code, parameters=parameters, block=block)
        for _ in range(count):
            index, data_type, dim_count, is_named_back, offset, size = reader.take("HBBIQQ")
            shape = reader.take(f"{dim_count}q")
            if is_named_back:
                response.named_back.add(index)
                data = self.input_map[offset : offset + size]
            else:
                assert block + base + offset + size <= arena_size <= os.fstat(self.outputs).st_size
                data = self.output_bytes(block + base + offset, size)
            response.shapes[index] = shape
            if data_type == CODES_OF_MORE["TYPE_STRING"]:
                response.outputs[index] = strings_of(data)
            else:
                array = numpy.frombuffer(data, DTYPES[data_type])
                response.outputs[index] = array.reshape(shape)
        return response

    def _receive(self, channel: socket.socket | Pipes) -> tuple[int, bytes]:
        head = _exactly(channel, 8)
        if not head:
            raise AssertionError(f"the worker ended: {self.errors()}")
        length, kind, _ = struct.unpack("<IHH", head)
        return kind, _exactly(channel, length)

    def unload(self) -> int:
        """Close the channel of batches and wait for the worker's end; return its exit code."""
        self._execute.close()
        return self.process.wait()

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join()
        for channel in (self._execute, self._calls, self._control):
            channel.close()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.input_map.close()
        os.close(self.inputs)
        os.close(self.outputs)


def _exactly(channel: socket.socket | Pipes, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            piece = channel.recv(size - len(data))
        except OSError:
            piece = b""
        if not piece:
            return b""
        data += piece
    return data


def _start_message(model_path: Path, config: dict[str, Any], mode: str) -> dict[str, Any]:
    return {
        "op": "start",
        "mode": mode,
        "args": {
            "model_config": json.dumps(config),
            "model_instance_kind": "CPU",
            "model_instance_name": f"{config['name']}_0_0",
            "model_instance_device_id": "0",
            "model_repository": str(model_path.parents[1]),
            "model_version": model_path.parent.name,
            "model_name": config["name"],
        },
        "model_path": str(model_path),
        "decoupled": config.get("model_transaction_policy", {}).get("decoupled", False),
        "max_batch_size": config.get("max_batch_size", 0),
        "inputs": config.get("input", []),
        "outputs": config.get("output", []),
        "log": {"verbose_level": 0},
    }
