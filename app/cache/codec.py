"""An entry as bytes for tier 2: compact, typed, and worthless to anyone who would plant one.

Layout: MAC (16) | key (16) | stored_at (8) | cost_s (8) | outputs. The MAC covers everything behind it, so a flipped
bit, a truncation or foreign bytes never decode; the key inside tells an entry that was copied under another key.
Nothing is pickled, and nothing is interpreted before the MAC has been checked.
"""

import hmac
import struct
from collections.abc import Iterator

import numpy as np

from app.cache.base import Entry
from app.cache.key import KEY_BYTES
from app.tensors import Array

MAC_BYTES = 16
_HEADER = struct.Struct(f">{KEY_BYTES}sdd")
_CODES = {"f4": b"f", "f8": b"d", "f2": b"e", "i8": b"q", "i4": b"i", "i2": b"h", "i1": b"b", "b1": b"?"}
_CODES |= {"u8": b"Q", "u4": b"I", "u2": b"H", "u1": b"B"}
_DTYPES = {code: np.dtype("<" + name) for name, code in _CODES.items()}
_TEXT = b"s"


class Codec:
    """Seals and opens entries with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.mark = hmac.digest(secret, b"sluice: whose entries are these?", "sha256")[:4].hex()
        """Tells the secret from others without telling it."""

    def seal(self, key: bytes, entry: Entry) -> bytes | None:
        """The entry for that key as bytes; None for outputs of a kind that bytes cannot give back exactly."""
        parts = [_packed(name, array) for name, array in entry.outputs.items()]
        if None in parts:
            return None
        body = _HEADER.pack(key, entry.stored_at, entry.cost_s) + b"".join(part for part in parts if part)
        return self._mac(body) + body

    def open(self, key: bytes, data: object) -> Entry | None:
        """The entry, or None for anything that is not exactly what ``seal`` wrote for this key."""
        if type(data) is not bytes or len(data) < MAC_BYTES + _HEADER.size:
            return None
        body = data[MAC_BYTES:]
        if not hmac.compare_digest(data[:MAC_BYTES], self._mac(body)):
            return None
        own_key, stored_at, cost_s = _HEADER.unpack_from(body)
        if own_key != key:
            return None
        try:
            return Entry(dict(_unpacked(body)), stored_at, cost_s)
        except (struct.error, ValueError, KeyError, IndexError, OverflowError):
            return None  # well sealed yet malformed: written by somebody who has our secret and another layout

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, "sha256")[:MAC_BYTES]


def _packed(name: str, array: Array) -> bytes | None:
    code = _CODES.get(array.dtype.str[1:]) if array.dtype.kind not in "OU" else _TEXT
    encoded = name.encode()
    if code is None or array.ndim > 255 or len(encoded) > 65_535:
        return None
    head = struct.pack(">H", len(encoded)) + encoded + code + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape)
    if code != _TEXT:
        return head + array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    items = array.ravel().tolist()
    if not all(type(item) is str for item in items):
        return None
    texts = [item.encode("utf-8", "surrogatepass") for item in items]
    return head + b"".join([struct.pack(">I", len(text)) + text for text in texts])


def _unpacked(body: bytes) -> Iterator[tuple[str, Array]]:
    at = _HEADER.size
    while at < len(body):
        (length,) = struct.unpack_from(">H", body, at)
        name = body[at + 2 : at + 2 + length].decode()
        at += 2 + length
        code, rank = body[at : at + 1], body[at + 1]
        shape = struct.unpack_from(f">{rank}I", body, at + 2)
        at += 2 + 4 * rank
        if code == _TEXT:
            array, at = _texts(body, at, shape)
        else:
            dtype = _DTYPES[code]
            count = int(np.prod(shape, dtype=np.int64))
            array = np.frombuffer(body, dtype, count, at).reshape(shape)
            at += count * dtype.itemsize
        yield name, array


def _texts(body: bytes, at: int, shape: tuple[int, ...]) -> tuple[Array, int]:
    array = np.empty(int(np.prod(shape, dtype=np.int64)), dtype=np.object_)
    for number in range(len(array)):
        (size,) = struct.unpack_from(">I", body, at)
        if at + 4 + size > len(body):
            raise ValueError("a text ends behind the end")
        array[number] = body[at + 4 : at + 4 + size].decode("utf-8", "surrogatepass")
        at += 4 + size
    return array.reshape(shape), at
