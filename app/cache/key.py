"""The cache key of a row: 128 bits over exactly what decides the answer.

That is the model's name, the digest of the version's files, the outputs asked for, the clear counter, and the row as
the runtime will see it: after imputation, cast and rounding. So ``1`` and ``1.0`` meet, and so do rows that name their
features in another order or come by column. ``-0.0`` and ``0.0`` do not: a model may tell them apart (1/x), and a key
that is the tensor's own bytes can never confuse two inputs.
"""

from collections.abc import Sequence
from hashlib import blake2b, sha256
from zlib import crc32

from app.cache.codec import KEY_BYTES
from app.tensors import Array, Feed


def seed(*parts: str) -> bytes:
    """32 bytes that stand for everything but the row. Parts are length-prefixed, so no two lists look alike."""
    digest = sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.digest()


def row_keys(version_seed: bytes, feed: Feed, rows: int) -> list[bytes]:
    """One key per row."""
    return [_digest(data, version_seed) for data in row_bytes(feed, rows)]


def in_sample(feed: Feed, one_in: int) -> bool:
    """Whether a request belongs to the fixed share of all inputs that keeps using a bypassed tier.

    Sampling inputs instead of requests keeps the share's hit rate that of the whole: an input is always in or out.
    """
    first = next(iter(feed.values()))[:1]
    return crc32(_bytes_of(first)) % one_in == 0


def row_bytes(feed: Feed, rows: int) -> Sequence[bytes]:
    """Each row's values over all inputs, unambiguous for a given model.

    Inputs stand in declared order, texts and free axes with their lengths.
    """
    if len(feed) == 1:
        (array,) = feed.values()
        return [_bytes_of(array[row : row + 1]) for row in range(rows)] if rows > 1 else [_bytes_of(array)]
    return [b"".join([_bytes_of(array[row : row + 1]) for array in feed.values()]) for row in range(rows)]


def _digest(data: bytes, version_seed: bytes) -> bytes:
    return blake2b(data, digest_size=KEY_BYTES, key=version_seed).digest()


def _bytes_of(array: Array) -> bytes:
    if array.dtype.kind == "O":
        texts = [item.encode("utf-8", "surrogatepass") for item in array.flat]
        return b"".join([len(text).to_bytes(4, "big") + text for text in texts])
    if array.ndim > 2:
        return b"".join([size.to_bytes(4, "big") for size in array.shape]) + array.tobytes()
    return array.tobytes()
