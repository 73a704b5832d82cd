"""gRPC requests as the bytes of a connection that begins with them."""

from __future__ import annotations

from hpack import Encoder
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame

from tests.conformance.http2_connection import PREFACE, call_headers, grpc_message
from tests.conformance.infer_messages import infer_message

BEGINNING = PREFACE + SettingsFrame(0).serialize()


def header_block(method: str = "ModelInfer") -> bytes:
    """Return the headers of a connection's first call."""
    return Encoder().encode(call_headers(method))


def call_bytes(method: str = "ModelInfer", *, stream_id: int = 1) -> bytes:
    """Return the frame that opens a connection's first call."""
    return HeadersFrame(stream_id, header_block(method), flags=["END_HEADERS"]).serialize()


def request_bytes() -> bytes:
    """Return all that a client sends that makes one call."""
    data = DataFrame(1, grpc_message(infer_message(1)), flags=["END_STREAM"])
    return BEGINNING + call_bytes() + data.serialize()


def unfinished_requests() -> dict[str, bytes]:
    """Return what a client might send and then nothing more, by where it stopped."""
    message = grpc_message(infer_message(1))
    return {
        "preface": PREFACE[:10],
        "settings": PREFACE + SettingsFrame(0).serialize()[:5],
        "frame_header": BEGINNING + call_bytes()[:4],
        "headers": BEGINNING + HeadersFrame(1, header_block()[:5]).serialize(),
        "data": BEGINNING + call_bytes() + DataFrame(1, message).serialize()[:20],
        "prefix": BEGINNING + call_bytes() + DataFrame(1, message[:3]).serialize(),
        "message": BEGINNING + call_bytes() + DataFrame(1, message[:7]).serialize(),
        "streamed_message": BEGINNING
        + call_bytes("ModelStreamInfer")
        + DataFrame(1, message[:7]).serialize(),
        "control_message": BEGINNING
        + call_bytes("ModelMetadata")
        + DataFrame(1, message[:7]).serialize(),
    }


def frames_of(received: bytes) -> list[Frame]:
    """Return the whole frames of what a server has sent."""
    frames, at = [], 0
    while len(received) - at >= 9:
        frame, size = Frame.parse_frame_header(memoryview(received)[at : at + 9])
        body = memoryview(received)[at + 9 : at + 9 + size]
        at += 9 + size
        if len(body) == size:
            frame.parse_body(body)
            frames.append(frame)
    return frames
