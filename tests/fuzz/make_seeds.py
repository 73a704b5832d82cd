"""Writes the hand-made part of the corpora: one small file per construct that a parser knows.

What the fuzzers found worth keeping lies beside it, named by its hash.
"""

from __future__ import annotations

import struct
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
NO_HEADER = 255


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


def main() -> None:
    """Write all seeds, replacing older ones of the same name."""
    corpora = {"bytes_tensor": BYTES_TENSOR, "v2_json": V2_JSON, "v2_protobuf": V2_PROTOBUF}
    for name, seeds in corpora.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, content in seeds.items():
            (folder / seed).write_bytes(content)


if __name__ == "__main__":
    main()
