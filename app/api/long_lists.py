"""The long list of numbers at the end of a body -> float64, without a Python object for each number.

A body of many rows is one such list with little before it, and every name stands before it. So the list is cut out:
what remains is parsed like any other body, with an empty list in its place, and simdjson reads the list. Whatever
either of them will not take is left to the parser of every body, which alone says what is wrong.
"""

from threading import Lock
from typing import Any

import numpy as np
import simdjson

from app.tensors import Array

SHORTEST, LONGEST = 1 << 12, 1 << 22
"""Bytes of a list's text. Below, cutting costs what it spares; the parser keeps some 2.5 times the longest it read."""

_parser, _alone = simdjson.Parser(), Lock()
_OPEN = ord("[")


def last_list(raw: bytes) -> slice | None:
    """Where the last list of a body stands, when it is long, whatever may be in it: a list, or lists in a list.

    None where there is none, or where it is written so that its end takes more than a look.
    """
    start = raw.find(b"[", raw.rfind(b'"'))
    if start < 0:
        return None
    closing = b"]]" if raw.startswith(b"[[", start) else b"]"
    end = raw.find(closing, start) + len(closing)
    return slice(start, end) if SHORTEST <= end - start <= LONGEST else None


def numbers(text: bytes) -> Array | None:
    """A list of numbers as an array of one axis, lists of as many numbers each in a list as one of two.

    ``text`` begins with a bracket. Each number is the float64 nearest to what was written. None for anything else: no
    JSON, other values, an integer beyond 64 bits, lists of different lengths or deeper ones.
    """
    with _alone:
        return _read(text)


def _read(text: bytes) -> Array | None:
    """Leaves nothing of the document behind: a parser with one that is still looked at reads no other."""
    try:
        document: Any = _parser.parse(text)
        flat: Array = np.frombuffer(document.as_buffer(of_type="d"), np.float64)
        widths = set(map(len, document)) if text.startswith(b"[[") else set()
    except (ValueError, TypeError, RuntimeError):
        return None
    # The buffer is flat however deep the lists are: their number tells.
    lists = np.count_nonzero(np.frombuffer(text, np.uint8) == _OPEN)
    if not widths:
        return flat if lists == 1 else None
    return flat.reshape(len(document), *widths) if lists == len(document) + 1 and len(widths) == 1 else None
