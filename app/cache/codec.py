"""An entry as bytes for tier 2: compact, typed, and worthless to anyone who would plant one.

Layout: MAC (16) | key (16) | stored_at (8) | outputs. The MAC covers everything behind it, so a flipped bit, a
truncation or foreign bytes never decode; the key inside tells an entry that was copied under another key.
Nothing is pickled, and nothing is interpreted before the MAC has been checked.
"""

import hmac
import struct
from collections.abc import Iterator

import numpy as np

from app.cache.base import Entry
from app.tensors import Array

KEY_BYTES = 16
MAC_BYTES = 16
_HEADER = struct.Struct(f">{KEY_BYTES}sd")
_CODES = {"f4": b"f", "f8": b"d", "f2": b"e", "i8": b"q", "i4": b"i", "i2": b"h", "i1": b"b", "b1": b"?"}
_CODES |= {"u8": b"Q", "u4": b"I", "u2": b"H", "u1": b"B"}
_DTYPES = {code: np.dtype("<" + name) for name, code in _CODES.items()}
_TEXT = b"s"


class Codec:
    """Seals and opens entries with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, key: bytes, entry: Entry) -> bytes:
        """The entry for that key as bytes."""
        body = b"".join([_HEADER.pack(key, entry.stored_at), *_packed(entry)])
        return self._mac(body) + body

    def open(self, key: bytes, data: object) -> Entry | None:
        """The entry, or None for anything that is not exactly what ``seal`` wrote for this key."""
        if type(data) is not bytes or len(data) < MAC_BYTES + _HEADER.size:
            return None
        body = data[MAC_BYTES:]
        if not hmac.compare_digest(data[:MAC_BYTES], self._mac(body)):
            return None
        own_key, stored_at = _HEADER.unpack_from(body)
        return Entry(dict(_unpacked(body)), stored_at) if own_key == key else None

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, "sha256")[:MAC_BYTES]


def _packed(entry: Entry) -> Iterator[bytes]:
    for name, array in entry.outputs.items():
        encoded = name.encode()
        code = _CODES.get(array.dtype.str[1:], _TEXT)
        yield (
            struct.pack(">H", len(encoded)) + encoded + code + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape)
        )
        if code == _TEXT:
            texts = [str(item).encode("utf-8", "surrogatepass") for item in array.flat]
            yield from (struct.pack(">I", len(text)) + text for text in texts)
        else:
            yield array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _unpacked(body: bytes) -> Iterator[tuple[str, Array]]:
    at = _HEADER.size
    while at < len(body):
        (length,) = struct.unpack_from(">H", body, at)
        name = body[at + 2 : at + 2 + length].decode()
        at += 2 + length
        code, rank = body[at : at + 1], body[at + 1]
        shape = struct.unpack_from(f">{rank}I", body, at + 2)
        at += 2 + 4 * rank
        count = int(np.prod(shape, dtype=np.int64))
        if code == _TEXT:
            texts = []
            for _ in range(count):
                (size,) = struct.unpack_from(">I", body, at)
                texts.append(body[at + 4 : at + 4 + size].decode("utf-8", "surrogatepass"))
                at += 4 + size
            yield name, np.array(texts, dtype=np.object_).reshape(shape)
        else:
            dtype = _DTYPES[code]
            yield name, np.frombuffer(body, dtype, count, at).reshape(shape)
            at += count * dtype.itemsize
