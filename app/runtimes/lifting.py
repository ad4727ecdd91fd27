"""Spares onnxruntime's parser the large weights of a model, so that loading one holds up nobody.

onnxruntime keeps Python's interpreter lock while it copies and parses a file, 40 ms for 100 MB, and for so long no
thread of the worker answers anyone. What it gets to parse instead is the same model with its large weights declared as
external data, at their offsets in the very bytes that were read and hashed; those it copies with the lock released.

Protocol buffers are walked by hand, only as deep as the weights lie: a message class would hold the lock as long.
"""

from collections.abc import Iterator
from secrets import token_hex
from typing import NamedTuple

LARGE = 1 << 20
"""Bytes from which weights are lifted; smaller ones cost the parser less than this costs."""

NAME = f"lifted-{token_hex(8)}"
"""What the file is called where its weights are said to lie in it; no file can say it of weights of its own accord."""

_GRAPH, _INITIALIZER = 7, 5
_RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 9, 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _Field(NamedTuple):
    """A field of a message: ``start`` is that of its tag, ``data`` that of what it holds."""

    number: int
    kind: int
    start: int
    data: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.data


def lifted(model: bytes) -> bytes | None:
    """The model without its large weights, None where there are none, or where these bytes are no model."""
    try:
        small = b"".join(_rewritten(model, _Field(0, _BYTES, 0, 0, len(model)), (_GRAPH, _INITIALIZER)))
    except (IndexError, ValueError):
        return None
    return small if len(small) < len(model) else None


def _rewritten(model: bytes, message: _Field, path: tuple[int, ...]) -> Iterator[bytes]:
    """The parts of a message, large fields on the path to the weights rewritten in their turn."""
    if not path:
        yield from _without_data(model, message)
        return
    for field in _fields(model, message):
        if field.number == path[0] and field.kind == _BYTES and field.size >= LARGE:
            inner = b"".join(_rewritten(model, field, path[1:]))
            yield _tag(field.number, _BYTES) + _varint(len(inner)) + inner
        else:
            yield model[field.start : field.end]


def _without_data(model: bytes, tensor: _Field) -> Iterator[bytes]:
    fields = list(_fields(model, tensor))
    data = [field for field in fields if field.number == _RAW_DATA]
    if len(data) != 1 or any(field.number in (_EXTERNAL_DATA, _DATA_LOCATION) for field in fields):
        yield model[tensor.data : tensor.end]
        return
    yield from (model[field.start : field.end] for field in fields if field is not data[0])
    for key, value in (("location", NAME), ("offset", str(data[0].data)), ("length", str(data[0].size))):
        yield _text(_EXTERNAL_DATA, _text(1, key.encode()) + _text(2, value.encode()))
    yield _tag(_DATA_LOCATION, _VARINT) + b"\1"


def _fields(model: bytes, message: _Field) -> Iterator[_Field]:
    """Raises ValueError or IndexError where this is no message."""
    at = message.data
    while at < message.end:
        tag, data = _read_varint(model, at)
        end = _end_of(model, tag & 7, data)
        if tag & 7 == _BYTES:
            _, data = _read_varint(model, data)
        if end > message.end:
            raise ValueError("a field that ends after its message")
        yield _Field(tag >> 3, tag & 7, at, data, end)
        at = end


def _end_of(model: bytes, kind: int, at: int) -> int:
    if kind == _BYTES:
        size, data = _read_varint(model, at)
        return data + size
    if kind == _VARINT:
        return _read_varint(model, at)[1]
    if kind in (_FIXED64, _FIXED32):
        return at + (8 if kind == _FIXED64 else 4)
    raise ValueError("a kind of field that there is not")


def _read_varint(model: bytes, at: int) -> tuple[int, int]:
    """The number, and where what follows it begins."""
    value = shift = 0
    while True:
        byte = model[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _text(number: int, value: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(value)) + value
