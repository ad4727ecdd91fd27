"""Tensors as bytes: little-endian, row-major, nothing between the values; a text is its length and then itself.

The same in the binary extension of REST and in the raw contents of gRPC. Nothing is copied that need not be: numbers
are a view of the message they came in.
"""

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from app.errors import InvalidInput
from app.oip.datatypes import DATATYPES
from app.tensors import Array

MAX_AXES = 16


def checked_shape(shape: Sequence[int], path: str) -> tuple[int, ...]:
    """A shape that an array can have: at most ``MAX_AXES`` axes, none of negative length, within 63 bits of elements.

    Raises:
        InvalidInput: names ``path``.
    """
    if len(shape) > MAX_AXES:
        raise InvalidInput({path: [f"has {len(shape)} axes; at most {MAX_AXES} are taken"]})
    if any(axis < 0 for axis in shape):
        raise InvalidInput({path: ["must not hold a negative length"]})
    if prod(axis or 1 for axis in shape) >= 2**63:
        raise InvalidInput({path: ["stands for more elements than there can be"]})
    return tuple(shape)


def from_raw(data: bytes | memoryview, datatype: str, shape: tuple[int, ...], path: str) -> Array:
    """The array in those bytes, which must fill it exactly. ``shape`` has passed ``checked_shape``.

    Raises:
        InvalidInput: more or fewer bytes than the shape asks for, or texts that are no UTF-8; names ``path``.
    """
    if datatype == "BYTES":
        return _texts(data, shape, path)
    dtype = DATATYPES[datatype]
    wanted = prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise InvalidInput({path: [f"holds {len(data)} bytes; {datatype} of this shape takes {wanted}"]})
    array = np.frombuffer(data, dtype=np.uint8 if datatype == "BOOL" else dtype)
    return _truths(array, path).reshape(shape) if datatype == "BOOL" else array.reshape(shape)


def to_raw(array: Array) -> bytes:
    """The bytes of an array."""
    if array.dtype.kind not in "OUS":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(part for text in texts_of(array) for part in (struct.pack("<I", len(text)), text))


def texts_of(array: Array) -> list[bytes]:
    """The elements of an array of texts as UTF-8, in row-major order."""
    return [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]


def as_texts(items: Sequence[bytes], shape: tuple[int, ...], path: str) -> Array:
    """An object array of ``str`` from its elements in row-major order, as many as the shape says.

    Raises:
        InvalidInput: one of them is no UTF-8; names ``path``.
    """
    array = np.empty(len(items), dtype=np.object_)
    for at, item in enumerate(items):
        try:
            array[at] = str(item, "utf-8")
        except UnicodeDecodeError:
            raise InvalidInput({f"{path}[{at}]": ["is no UTF-8 text"]}) from None
    return array.reshape(shape)


def _truths(octets: Array, path: str) -> Array:
    if octets.size and octets.max() > 1:
        raise InvalidInput({path: ["holds a byte that is neither 0 nor 1, which BOOL takes"]})
    truths: Array = octets.view(np.bool_)
    return truths


def _texts(data: bytes | memoryview, shape: tuple[int, ...], path: str) -> Array:
    view, wanted, items, at = memoryview(data), prod(shape), list[Any](), 0
    if wanted * 4 > len(view):
        raise InvalidInput({path: [f"holds {len(view)} bytes, too few for the {wanted} texts of this shape"]})
    for number in range(wanted):
        try:
            (length,) = struct.unpack_from("<I", view, at)
        except struct.error:
            raise InvalidInput({f"{path}[{number}]": ["ends before its length"]}) from None
        at += 4 + length
        if at > len(view):
            raise InvalidInput({f"{path}[{number}]": [f"is said to be {length} bytes long, past the end"]})
        items.append(view[at - length : at])
    if at != len(view):
        raise InvalidInput({path: [f"has {len(view) - at} bytes left after the {wanted} texts of this shape"]})
    return as_texts(items, shape, path)
