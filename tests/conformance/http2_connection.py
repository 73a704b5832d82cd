"""gRPC from below: one HTTP/2 connection whose every frame is the test's own choice."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from urllib.parse import unquote

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.conformance.http_connection import ConnectionEnded

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SERVICE = "/inference.GRPCInferenceService"
# How long a hung server may keep a test from failing; nothing is measured against it.
_GUARD_S = 60
_FRAME_HEADER = 9
_WINDOW = 65535
_MAX_FRAME = 16384
_CANCEL = 8

Headers = list[tuple[str, str]]


def grpc_message(message: bytes, *, compressed: bool = False) -> bytes:
    """Return a message behind its prefix."""
    return struct.pack(">BI", compressed, len(message)) + message


def call_headers(method: str, more: Iterable[tuple[str, str]] = ()) -> Headers:
    """Return the headers of a call; a method that begins with a slash is a whole path."""
    path = method if method.startswith("/") else f"{SERVICE}/{method}"
    pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "tests")]
    return [*pseudo, ("te", "trailers"), ("content-type", "application/grpc"), *more]


def frame_bytes(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Return a frame of any kind."""
    size = struct.pack(">I", len(payload))[1:]
    return size + struct.pack(">BBI", kind, flags, stream_id) + payload


class Http2Call:
    """What has come on one stream."""

    def __init__(self, stream_id: int, window: int) -> None:
        self.stream_id = stream_id
        self.window = window  # what may still be sent
        self.heads: list[dict[str, str]] = []
        self.data = bytearray()
        self.ended = False
        self.reset: int | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self.ended or self.reset is not None

    @property
    def status(self) -> int:
        """The status of gRPC, which must have come."""
        return int(self.heads[-1]["grpc-status"])

    @property
    def text(self) -> str:
        """The text of the status."""
        return unquote(self.heads[-1].get("grpc-message", ""))

    def flagged_messages(self) -> Iterator[tuple[int, bytes]]:
        """Yield the whole messages with their flags."""
        at = 0
        while at + 5 <= len(self.data):
            flag, size = struct.unpack_from(">BI", self.data, at)
            if at + 5 + size > len(self.data):
                return
            yield flag, bytes(self.data[at + 5 : at + 5 + size])
            at += 5 + size

    @property
    def messages(self) -> list[bytes]:
        """The whole messages."""
        return [message for _, message in self.flagged_messages()]


class Http2Connection:
    """A client that does what the protocol asks for, unless it is told not to."""

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        settings: Mapping[int, int] | None = None,
        gives_credit: bool = True,
        answers_pings: bool = True,
        receive_buffer: int | None = None,
        begins: bool = True,
    ) -> None:
        """Without credit the server may send no more than the first windows hold.

        With `begins` false the test sends the beginning of the connection itself.
        """
        plain = socket.socket()
        plain.settimeout(_GUARD_S)
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.connect(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = plain if tls is None else tls.wrap_socket(plain, server_hostname="localhost")
        self.goaways: list[GoAwayFrame] = []
        self.ping_answers: list[bytes] = []
        self.pings = 0
        self.server_settings: dict[int, int] = {}
        self.window = _WINDOW
        self.gives_credit = gives_credit
        self._answers_pings = answers_pings
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._calls: dict[int, Http2Call] = {}
        self._next_id = 1
        self._received = b""
        self._block: tuple[int, bytes, bool] | None = None
        if begins:
            self.send_bytes(PREFACE + SettingsFrame(0, settings=dict(settings or {})).serialize())

    def __enter__(self) -> Http2Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket without a word."""
        self.socket.close()

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def send_frames(self, *frames: Frame) -> None:
        """Send frames in one go."""
        self.send_bytes(b"".join(frame.serialize() for frame in frames))

    def header_block(self, headers: Headers) -> bytes:
        """Return compressed headers, which must be sent: the server's table follows ours."""
        return self._encoder.encode(headers)

    def new_call(self) -> Http2Call:
        """Return a call on the next stream, of which nothing was sent."""
        call = Http2Call(self._next_id, self.server_settings.get(4, _WINDOW))
        self._calls[self._next_id] = call
        self._next_id += 2
        return call

    def start(
        self, method: str, more: Iterable[tuple[str, str]] = (), *, end: bool = False
    ) -> Http2Call:
        """Send the headers of a call."""
        return self.start_with(call_headers(method, more), end=end)

    def start_with(self, headers: Headers, *, end: bool = False) -> Http2Call:
        """Send these headers on a new stream."""
        call = self.new_call()
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        block = self.header_block(headers)
        self.send_frames(HeadersFrame(call.stream_id, block, flags=flags))
        return call

    def send(self, call: Http2Call, data: bytes, *, end: bool = False) -> None:
        """Send body bytes, as fast as the server gives credit."""
        rest = memoryview(data)
        while rest:
            room = min(self.window, call.window, _MAX_FRAME)
            if room <= 0:
                self.receive()
                continue
            piece, rest = rest[:room], rest[room:]
            self.window -= len(piece)
            call.window -= len(piece)
            flags = ["END_STREAM"] if end and not rest else []
            self.send_frames(DataFrame(call.stream_id, bytes(piece), flags=flags))

    def finish(self, call: Http2Call) -> None:
        """Say that no more is sent."""
        self.send_frames(DataFrame(call.stream_id, b"", flags=["END_STREAM"]))

    def unary(self, method: str, message: bytes, more: Iterable[tuple[str, str]] = ()) -> Http2Call:
        """Send a whole call."""
        call = self.start(method, more)
        self.send(call, grpc_message(message), end=True)
        return call

    def reset(self, call: Http2Call, code: int = _CANCEL) -> None:
        """Cancel a call."""
        self.send_frames(RstStreamFrame(call.stream_id, code))

    def wait(self, done: Callable[[], bool]) -> None:
        """Receive until it is so. Raises ConnectionEnded."""
        while not done():
            self.receive()

    def wait_for(self, *calls: Http2Call) -> None:
        """Receive until the calls are over. Raises ConnectionEnded."""
        for call in calls:
            while not call.over:
                self.receive()

    def wait_for_messages(self, call: Http2Call, count: int) -> None:
        """Receive until the call has so many whole messages. Raises ConnectionEnded."""
        while len(call.messages) < count:
            self.receive()

    def wait_for_end(self) -> None:
        """Receive until the server closes the connection."""
        try:
            while True:
                self.receive()
        except ConnectionEnded:
            return

    def receive(self) -> None:
        """Read once and take in every whole frame. Raises ConnectionEnded."""
        try:
            self._receive()
        except ConnectionError as error:
            raise ConnectionEnded(str(error)) from error

    def _receive(self) -> None:
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise ConnectionEnded(f"GOAWAYs: {self.goaways}")
        self._received += piece
        at = 0
        while len(self._received) - at >= _FRAME_HEADER:
            view = memoryview(self._received)[at:]
            frame, size = Frame.parse_frame_header(view[:_FRAME_HEADER])
            if len(view) < _FRAME_HEADER + size:
                break
            frame.parse_body(view[_FRAME_HEADER : _FRAME_HEADER + size])
            at += _FRAME_HEADER + size
            self._take(frame, size)
        self._received = self._received[at:]

    def _take(self, frame: Frame, size: int) -> None:
        if isinstance(frame, DataFrame):
            self._take_data(frame, size)
        elif isinstance(frame, HeadersFrame | ContinuationFrame):
            self._take_headers(frame)
        elif isinstance(frame, SettingsFrame):
            self._take_settings(frame)
        elif isinstance(frame, WindowUpdateFrame):
            if frame.stream_id == 0:
                self.window += frame.window_increment
            elif frame.stream_id in self._calls:
                self._calls[frame.stream_id].window += frame.window_increment
        elif isinstance(frame, RstStreamFrame):
            if frame.stream_id in self._calls:
                self._calls[frame.stream_id].reset = frame.error_code
        elif isinstance(frame, GoAwayFrame):
            self.goaways.append(frame)
        elif isinstance(frame, PingFrame):
            self._take_ping(frame)

    def _take_data(self, frame: DataFrame, size: int) -> None:
        call = self._calls[frame.stream_id]
        call.data += frame.data
        call.ended |= "END_STREAM" in frame.flags
        if size and self.gives_credit:
            # A server that has said all may be gone by now; what it said is still to be read.
            with contextlib.suppress(ConnectionError):
                self.give_credit(0, size)
                if not call.over:
                    self.give_credit(call.stream_id, size)

    def give_credit(self, stream_id: int, size: int) -> None:
        """Let the server send more, on a stream or (0) on the connection."""
        self.send_frames(WindowUpdateFrame(stream_id, window_increment=size))

    def _take_headers(self, frame: HeadersFrame | ContinuationFrame) -> None:
        if isinstance(frame, HeadersFrame):
            self._block = (frame.stream_id, b"", "END_STREAM" in frame.flags)
        assert self._block is not None
        stream_id, block, ends = self._block
        self._block = (stream_id, block + frame.data, ends)
        if "END_HEADERS" in frame.flags:
            call = self._calls[stream_id]
            call.heads.append(
                {str(name): str(value) for name, value in self._decoder.decode(self._block[1])}
            )
            call.ended |= ends

    def _take_settings(self, frame: SettingsFrame) -> None:
        if "ACK" in frame.flags:
            return
        change = frame.settings.get(4, self.server_settings.get(4, _WINDOW))
        change -= self.server_settings.get(4, _WINDOW)
        for call in self._calls.values():
            call.window += change
        self.server_settings.update(frame.settings)
        self.send_frames(SettingsFrame(0, flags=["ACK"]))

    def _take_ping(self, frame: PingFrame) -> None:
        if "ACK" in frame.flags:
            self.ping_answers.append(frame.opaque_data)
            return
        self.pings += 1
        if self._answers_pings:
            self.send_frames(PingFrame(0, frame.opaque_data, flags=["ACK"]))
