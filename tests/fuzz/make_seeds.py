"""Writes the hand-made part of the corpora: one small file per construct that a parser knows.

What the fuzzers found worth keeping lies beside it, named by its hash.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
NO_HEADER = 255
DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED = 1, 4, 8


def bytes_tensor(*elements: bytes) -> bytes:
    """Serialise BYTES elements."""
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def json_body(model: int, json: str, binary: bytes | None = None) -> bytes:
    """Prefix a body with the two bytes that choose the model and where the JSON ends."""
    tail = NO_HEADER if binary is None else len(binary)
    return bytes((model, tail)) + json.encode() + (binary or b"")


def json_input(datatype: str, shape: str, source: str) -> str:
    """Return a request with one input."""
    fields = f'"name":"IN","shape":{shape},"datatype":"{datatype}",{source}'
    return f'{{"inputs":[{{{fields}}}]}}'


def varint(value: int) -> bytes:
    """Encode an unsigned varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, value: bytes | int) -> bytes:
    """Encode a length-delimited or varint field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(datatype: bytes, dims: bytes, contents: bytes | None = None, more: bytes = b"") -> bytes:
    """Encode an input as field 5 of a request."""
    body = field(1, b"IN") + field(2, datatype) + field(3, dims) + more
    return field(5, body + (field(5, contents) if contents is not None else b""))


def parameter(name: bytes, value: bytes) -> bytes:
    """Encode a map entry whose InferParameter is `value`."""
    return field(1, name) + field(2, value)


def requests(*parts: str, step: int = 7) -> bytes:
    """Prefix what a client sends with the byte that says in which pieces it comes."""
    return bytes((step - 1,)) + "".join(parts).encode("latin-1")


def head(line: str, *headers: str) -> str:
    """Return the head of an HTTP/1.1 request."""
    return "".join(f"{text}\r\n" for text in (line, *headers, ""))


def coded(action: int, data: bytes, argument: int = 255) -> bytes:
    """Prefix data with coding and action (0 header, 1 body, 2 coded), and a bound or level."""
    return b"".join((bytes((action * 2 + 1, argument)), data))


def grpc(*messages: bytes, coding: int = 0, piece: int = 7, flag: int = 0) -> bytes:
    """Frame messages, behind the bytes that choose their coding and the size of pieces."""
    stream = b"".join(struct.pack(">BI", flag, len(message)) + message for message in messages)
    return bytes((coding, piece)) + stream


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Encode an HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def h2_request(stream: int, body: bytes | None = None, more: bytes = b"") -> bytes:
    """Encode a request of HTTP/2; one without a body goes on."""
    fields = b"\x83\x86\x84\x01\x01x" + more
    head = frame(HEADERS, END_HEADERS, stream, fields)
    return head if body is None else head + frame(DATA, END_STREAM, stream, body)


def h2_field(name: bytes, value: bytes) -> bytes:
    """Encode a header field that goes into HPACK's table."""
    return b"".join((b"\x40", bytes((len(name),)), name, bytes((len(value),)), value))


def h2(*frames: bytes, options: int = 1) -> bytes:
    """Join frames behind the byte of options (1: behind a preface)."""
    return bytes((options,)) + b"".join(frames)


BYTES_TENSOR = {
    "empty": b"",
    "one": bytes_tensor(b"abc"),
    "several": bytes_tensor(b"", b"a", b"\x00\xff", b"xyz"),
    "cut_length": bytes_tensor(b"a") + b"\x01\x00",
    "cut_element": bytes_tensor(b"a") + b"\x05\x00\x00\x00ab",
    "huge_length": b"\xff\xff\xff\xffabc",
}
V2_JSON = {
    "bool": json_body(0, json_input("BOOL", "[2]", '"data":[true,false]')),
    "unsigned": json_body(0, json_input("UINT64", "[2]", '"data":[0,18446744073709551615]')),
    "signed": json_body(0, json_input("INT8", "[1,2]", '"data":[[-128,127]]')),
    "floats": json_body(0, json_input("FP32", "[5]", '"data":[1,-2.5e3,NaN,Infinity,-Infinity]')),
    "doubles": json_body(0, json_input("FP64", "[2]", '"data":[1e-400,1.7976931348623157e308]')),
    "strings": json_body(0, json_input("BYTES", "[2]", '"data":["\\u00e9\\n",""]')),
    "nested": json_body(0, json_input("INT32", "[2,2]", '"data":[[1,2],[[3],4]]')),
    "empty": json_body(0, json_input("FP32", "[0]", '"data":[]')),
    "half": json_body(0, json_input("FP16", "[1]", '"data":[1]')),
    "binary": json_body(
        0, json_input("FP32", "[1]", '"parameters":{"binary_data_size":4}'), b"\0\0\x80\x3f"
    ),
    "binary_without_header": json_body(
        0, json_input("FP32", "[1]", '"parameters":{"binary_data_size":4}')
    ),
    "shared_memory": json_body(
        0, json_input("FP32", "[1]", '"parameters":{"shared_memory_region":"r"}')
    ),
    "shape_overflow": json_body(0, json_input("FP64", "[4294967296,4294967296]", '"data":[1]')),
    "large_shape": json_body(0, json_input("FP64", "[251]", '"data":[1]')),
    "raw": json_body(0, "", b"abcdefgh"),
    "raw_bytes": json_body(1, "", b"abc"),
    "raw_fixed": json_body(2, "", b"a" * 32),
    "raw_ambiguous": json_body(3, "", b"abcd"),
    "parameters": json_body(
        0,
        '{"id":"x","parameters":{"sequence_id":"s","sequence_start":true,"sequence_end":false,'
        '"priority":1,"timeout":2,"binary_data_output":true,"i":-1,"d":0.5,"t":"v","b":true},'
        '"inputs":[]}',
    ),
    "reserved": json_body(0, '{"parameters":{"triton_x":1},"inputs":[]}'),
    "outputs": json_body(
        0,
        '{"inputs":[],"outputs":[{"name":"A","parameters":{"classification":3}},'
        '{"name":"B","parameters":{"binary_data":false,"x":1}}]}',
    ),
    "deep": json_body(0, "[" * 101),
    "deep_data": json_body(0, json_input("FP32", "[1]", '"data":' + "[" * 101)),
    "not_utf8": bytes((0, NO_HEADER)) + b'{"id":"\xff"}',
    "nul": json_body(0, '{"inputs":[]}\0'),
}
RAW = field(7, b"\0\0\x80\x3f")
V2_PROTOBUF = {
    "empty": b"",
    "raw": field(1, b"m") + field(2, b"1") + field(3, b"id") + tensor(b"FP32", b"\x01") + RAW,
    "bool": tensor(b"BOOL", b"\x02", field(1, b"\x01\x00")),
    "int": tensor(b"INT8", b"\x01", field(2, b"\xff" * 9 + b"\x01")),
    "int_unpacked": tensor(b"INT32", b"\x02", field(2, 1) + field(2, 2)),
    "int64": tensor(b"INT64", b"\x02", field(3, b"\x01\x02")),
    "uint": tensor(b"UINT16", b"\x01", field(4, b"\xff\xff\x03")),
    "uint64": tensor(b"UINT64", b"\x01", field(5, b"\x05")),
    "fp32": tensor(b"FP32", b"\x01", field(6, b"\0\0\x80\x3f")),
    "fp32_pieces": tensor(b"FP32", b"\x02", b"\x35abcd" + field(6, b"efgh")),
    "fp64": tensor(b"FP64", b"\x01", field(7, b"\0" * 8)),
    "strings": tensor(b"BYTES", b"\x02", field(8, b"abc") + field(8, b"")),
    "wrong_field": tensor(b"FP32", b"\x01", field(2, b"\x01")),
    "both": tensor(b"FP32", b"\x01", field(6, b"\0\0\x80\x3f")) + RAW,
    "no_data": tensor(b"FP32", b"\x01"),
    "negative_dim": tensor(b"FP32", b"\xff" * 9 + b"\x01") + RAW,
    "shared_memory": tensor(
        b"FP32",
        b"\x01",
        None,
        field(4, parameter(b"shared_memory_region", field(3, b"r")))
        + field(4, parameter(b"shared_memory_byte_size", field(2, 4))),
    ),
    "parameters": b"".join(
        field(4, parameter(name, value))
        for name, value in (
            (b"sequence_id", field(2, 7)),
            (b"sequence_start", field(1, 1)),
            (b"priority", field(5, 3)),
            (b"timeout", field(2, 9)),
            (b"triton_enable_empty_final_response", field(1, 1)),
            (b"s", field(3, b"v")),
            (b"d", b"\x21" + b"\0" * 8),
        )
    ),
    "outputs": field(6, field(1, b"OUT") + field(2, parameter(b"classification", field(2, 5)))),
    "unknown": field(99, 5) + field(100, b"x") + b"\xa5\x06abcd",
    "group": b"\x1b\x1c",
    "long_varint": b"\x80" * 11 + b"\x01",
    "lying_length": b"\x0a\xff\xff\xff\xff\x0fabc",
}

_INFER = "POST /v2/models/m/versions/1/infer?a HTTP/1.1"
_CHUNKED = head(_INFER, "Host: a", "Transfer-Encoding: chunked")
HTTP1 = {
    "get": requests(head("GET /v2/health/live HTTP/1.1", "Host: localhost:8000")),
    "infer": requests(
        head(
            _INFER,
            "Host: a",
            "Content-Length: 4",
            "Inference-Header-Content-Length:\t2 ",
            "Content-Encoding: gzip",
            "Accept-Encoding: deflate;q=0.5",
            "Expect: 100-continue",
            "Connection: keep-alive, close",
        ),
        "body",
    ),
    "pipelined": requests(head("HEAD /v2/models/m/ready HTTP/1.1") * 3, step=1),
    "empty_lines": requests("\r\n\n", head("GET / HTTP/1.0", "Connection: keep-alive"), step=1),
    "line_feeds": requests("GET /v2 HTTP/1.1\nA: b\n\n"),
    "absolute": requests(head("GET http://a:1/v2/models/m/ready#x HTTP/1.1")),
    "asterisk": requests(head("OPTIONS * HTTP/1.1")),
    "http2": requests("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "tls": requests("\x16\x03\x01\x02\x00\x01"),
    "folded": requests(head("GET / HTTP/1.1", "A: b", " c")),
    "two_lengths": requests(head(_INFER, "Content-Length: 1", "Content-Length: 2"), "a"),
    "length_and_chunked": requests(
        head(_INFER, "Content-Length: 5", "Transfer-Encoding: chunked"), "0\r\n\r\n"
    ),
    "space_before_colon": requests(head(_INFER, "Content-Length : 5"), "hello"),
    "bare_carriage_return": requests(head(_INFER, "A: b\rContent-Length: 5")),
    "many_headers": requests(head("GET / HTTP/1.1", *["A:b"] * 257), step=200),
    "chunks": requests(_CHUNKED, "5\r\nhello\r\n00a;ext=1\r\n, chunked!\r\n0\r\n\r\n"),
    "trailers": requests(_CHUNKED, "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", step=1),
    "chunks_then_get": requests(_CHUNKED, "0\r\n\r\n", head("GET /v2 HTTP/1.1")),
    "huge_chunk": requests(_CHUNKED, "4000000000000000\r\nabc"),
    "chunk_overflow": requests(_CHUNKED, "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk_space": requests(_CHUNKED, "5 \r\nhello\r\n0\r\n\r\n"),
    "chunk_line_feed": requests(_CHUNKED, "5\nhello\r\n0\r\n\r\n"),
    "chunk_runs_on": requests(_CHUNKED, "5\r\nhello!\r\n0\r\n\r\n"),
    "request_as_trailer": requests(_CHUNKED, "0\r\n", head("GET / HTTP/1.1")),
}
_GZIP = gzip.compress(b"a text that is a text", mtime=0)
_DEFLATE = zlib.compress(b"a text that is a text")
CONTENT_CODING = {
    "header": coded(0, b"gzip;q=0.2 , deflate; q = 0.9,identity;q=1e-1,*"),
    "header_broken": coded(0, b",;=,gzip;;,deflate;q=nan,GZIP;q=2"),
    "body": coded(1, b"a body" * 20, 1),
    "body_empty": coded(1, b"", 8),
    "gzip": bytes((4, 255)) + _GZIP,
    "gzip_cut": bytes((4, 255)) + _GZIP[:-5],
    "gzip_twice": bytes((4, 255)) + _GZIP * 2,
    "gzip_wrong_sum": bytes((4, 255)) + _GZIP[:-8] + bytes(8),
    "gzip_bomb": bytes((4, 3)) + gzip.compress(bytes(100_000), mtime=0),
    "gzip_names": bytes((4, 255)) + b"\x1f\x8b\x08\x1e" + bytes(6) + b"\x01\0xname\0text\0\0\0",
    "deflate": coded(2, _DEFLATE),
    "deflate_stored": coded(2, zlib.compress(b"stored", 0)),
    "deflate_bomb": coded(2, zlib.compress(bytes(100_000)), 3),
    "deflate_dictionary": coded(2, b"\x78\xbb\x01\x01\x01\x01"),
    "deflate_raw": coded(2, _DEFLATE[2:-4]),
}
GRPC_MESSAGE = {
    "empty": grpc(),
    "messages": grpc(b"one", b"", b"three"),
    "bytewise": grpc(b"one", b"two", piece=0),
    "cut": grpc(b"a message")[:-3],
    "cut_prefix": grpc(b"a message")[:5],
    "large": grpc(b"x" * 4999, b"y" * 5000, piece=255),
    "too_large": grpc(b"x" * 5001, piece=255),
    "claim": bytes((0, 0)) + b"\0\xff\xff\xff\xffx",
    "bad_flag": grpc(b"x", flag=2),
    "not_coded": grpc(b"x", flag=1),
    "gzip": grpc(_GZIP, b"", _GZIP, coding=1, flag=1),
    "gzip_cut": grpc(_GZIP[:-3], coding=1, flag=1),
    "gzip_bomb": grpc(gzip.compress(bytes(100_000), mtime=0), coding=1, flag=1),
    "deflate": grpc(_DEFLATE, coding=2, flag=1, piece=2),
    "timeout": bytes((0, 9)) + b" 99999999 H",
}
_ACK = frame(SETTINGS, 1, 0)
_WINDOW = struct.pack(">HI", 4, 3)
HTTP2 = {
    "opening": b"\0PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + h2_request(1, b"x"),
    "http1": b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "echo": h2(_ACK, h2_request(1, b"hello"), h2_request(3, b"world"), h2_request(9, b"")),
    "echo_in_pieces": h2(_ACK, h2_request(1, b"hello"), h2_request(3, b"world"), options=0x21),
    "four_servers": h2(*(h2_request(stream, b"hello") for stream in (1, 3, 5, 7, 15))),
    "open_streams": h2(*(h2_request(stream) for stream in (1, 3, 5, 7, 15))),
    "late_data": h2(h2_request(3), frame(DATA, 0, 3, b"a"), frame(DATA, END_STREAM, 3, b"b")),
    "padded": h2(h2_request(3), frame(DATA, PADDED | END_STREAM, 3, b"\3abc\0\0\0")),
    "client_reset": h2(h2_request(1), frame(RST_STREAM, 0, 1, struct.pack(">I", 8))),
    "reset_late": h2(
        h2_request(1, b"hello"), frame(RST_STREAM, 0, 1, struct.pack(">I", 8)), options=9
    ),
    "no_window": h2(
        frame(SETTINGS, 0, 0, _WINDOW),
        h2_request(1, b"hello"),
        frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 5)),
        frame(SETTINGS, 0, 0, struct.pack(">HIHI", 4, 1 << 22, 5, 1 << 20)),
        frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 24)),
    ),
    "window_overflow": h2(h2_request(1), frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff")),
    "pings": h2(frame(PING, 0, 0, b"12345678"), frame(PING, 1, 0, b"12345678")),
    "goaway": h2(h2_request(3), frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0) + b"bye")),
    "server_goodbye": h2(h2_request(1, b"a"), h2_request(3), h2_request(9, b"b"), options=0x31),
    "continuation": h2(
        frame(HEADERS, 1, 1, b"\x83\x86\x84"), frame(CONTINUATION, END_HEADERS, 1, b"\x01\x01x")
    ),
    "trailers": h2(
        h2_request(3), frame(HEADERS, END_HEADERS | END_STREAM, 3, h2_field(b"x", b"y"))
    ),
    "indexed": h2(h2_request(1, b"", h2_field(b"x", b"y")), h2_request(3, b"", b"\xbe")),
    "many_fields": h2(h2_request(1, b"", h2_field(b"x", b"y") + b"\xbe" * 300)),
    "connection_field": h2(h2_request(1, b"", h2_field(b"connection", b"close"))),
    "bad_table_size": h2(h2_request(1, b"", b"\x3f\xff\xff\x7f")),
    "records": bytes((3,)) + b"\x01\x05\x03\0\x06\x83\x86\x84\x01\x01x\x03\0\x03\0\x04\0\0\0\x08",
}


def answer(parameters: int, outputs: int, *parts: bytes) -> bytes:
    """Encode an answer as a cache in another server keeps it."""
    return b"".join((b"TPYA", struct.pack("<III", 1, parameters, outputs), *parts))


def answer_text(text: bytes) -> bytes:
    """Encode a text of an answer."""
    return struct.pack("<I", len(text)) + text


def answer_output(name: bytes, kind: int, dims: tuple[int, ...], size: int) -> bytes:
    """Encode an output of an answer, without its bytes."""
    shape = struct.pack(f"<I{len(dims)}q", len(dims), *dims)
    return answer_text(name) + bytes((kind,)) + shape + struct.pack("<Q", size)


_FLOATS = answer_output(b"F", 11, (2,), 8)
_PARAMETERS = (
    answer_text(b"b") + b"\0\1",
    answer_text(b"i") + b"\1" + b"\xff" * 8,
    answer_text(b"d") + b"\3" + bytes(8),
    answer_text(b"t") + b"\4" + answer_text(b"cm"),
)
CACHED_ANSWER = {
    "empty": answer(0, 0),
    "floats": answer(0, 1, _FLOATS, bytes(6), bytes(8)),
    "strings": answer(0, 1, answer_output(b"S", 13, (1,), 5), bytes(6), bytes_tensor(b"a")),
    "parameters": answer(4, 0, *_PARAMETERS),
    "cut": answer(0, 1, _FLOATS, bytes(6), bytes(7)),
    "many": answer(0, 1 << 31),
}


def main() -> None:
    """Write all seeds, replacing older ones of the same name."""
    corpora = {
        "bytes_tensor": BYTES_TENSOR,
        "cached_answer": CACHED_ANSWER,
        "content_coding": CONTENT_CODING,
        "grpc_message": GRPC_MESSAGE,
        "http1": HTTP1,
        "http2": HTTP2,
        "v2_json": V2_JSON,
        "v2_protobuf": V2_PROTOBUF,
    }
    for name, seeds in corpora.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, content in seeds.items():
            (folder / seed).write_bytes(content)


if __name__ == "__main__":
    main()
