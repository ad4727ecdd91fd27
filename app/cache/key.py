"""The cache key of a row: 128 bits over exactly what decides the answer.

That is the version (its name, and a digest over its files and manifest), the engine's own version, the clear counter,
and the row as the runtime will see it: after imputation, cast and rounding. So ``1`` and ``1.0`` meet, and so do rows
that name their features in another order or come by column. ``-0.0`` and ``0.0`` do not: a model may tell them apart
(1/x), and a key that is the tensor's own bytes can never confuse two inputs. Every output is computed and remembered,
so callers who want some of them and callers who want all share an entry.
"""

from collections.abc import Sequence
from hashlib import blake2b, sha256
from itertools import starmap
from operator import add
from zlib import crc32

import numpy as np

from app.tensors import Array, Feed

KEY_BYTES = 16


class Keys:
    """Makes the keys of one version. ``parts`` stand for everything but the row; no two lists of parts look alike."""

    def __init__(self, *parts: str) -> None:
        encoded = [part.encode() for part in parts]
        secret = sha256(b"".join(len(part).to_bytes(8, "big") + part for part in encoded)).digest()
        self._start = blake2b(key=secret, digest_size=KEY_BYTES)

    def one(self, feed: Feed) -> bytes:
        """The key of the only row."""
        digest = self._start.copy()
        digest.update(row_bytes(feed))
        return digest.digest()

    def many(self, feed: Feed, rows: int) -> list[bytes]:
        """One key per row."""
        return [self.one(feed)] if rows == 1 else [self._digest(data) for data in rows_bytes(feed, rows)]

    def _digest(self, data: bytes) -> bytes:
        digest = self._start.copy()
        digest.update(data)
        return digest.digest()


def fingerprint(feed: Feed) -> int:
    """32 bits that stand for a request's first row; cheap, and the same in every worker."""
    code = 0
    for array in feed.values():
        first = array if len(array) == 1 else array[:1]
        code = crc32(_cells(first), code)
    return code


def row_bytes(feed: Feed) -> bytes:
    """The only row of a feed. Unambiguous: inputs stand in declared order, each with its length and its shape."""
    if len(feed) == 1:
        (array,) = feed.values()
        return _shape(array) + _cells(array)
    parts = [_shape(array) + _cells(array) for array in feed.values()]
    return b"".join([len(part).to_bytes(4, "big") for part in parts] + parts)


def rows_bytes(feed: Feed, rows: int) -> Sequence[bytes]:
    """The same for each row of several: ``rows_bytes(feed, n)[i]`` is ``row_bytes`` of row i alone."""
    columns = [_column(array, rows) for array in feed.values()]
    if len(columns) == 1:
        return columns[0]
    if all(array.dtype.kind != "O" for array in feed.values()):
        lengths = b"".join(len(column[0]).to_bytes(4, "big") for column in columns)
        return [lengths + b"".join(parts) for parts in zip(*columns, strict=True)]
    return [
        b"".join([len(part).to_bytes(4, "big") for part in parts] + list(parts)) for parts in zip(*columns, strict=True)
    ]


def _column(array: Array, rows: int) -> list[bytes]:
    """Each row's cells of one input."""
    shape = _shape(array)
    if array.dtype.kind == "O":
        return [shape + _cells(array[row : row + 1]) for row in range(rows)]
    data = array.tobytes()
    width = len(data) // rows
    cells = [data[at : at + width] for at in range(0, len(data), width)] if width else [b""] * rows
    return list(starmap(add, zip([shape] * rows, cells, strict=True))) if shape else cells


def _shape(array: Array) -> bytes:
    """The row's axes where the number of cells does not tell them."""
    return np.array(array.shape[1:], dtype=">u4").tobytes() if array.ndim > 2 else b""


def _cells(array: Array) -> bytes:
    if array.dtype.kind == "O":
        texts = [item.encode("utf-8", "surrogatepass") for item in array.flat]
        return b"".join([len(text).to_bytes(4, "big") + text for text in texts])
    return array.tobytes()
