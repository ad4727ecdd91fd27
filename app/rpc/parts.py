"""How many parts a message has, counted before it is read.

An empty part takes two bytes on the wire and a hundred in memory: a message of the largest length that is taken would
become most of a gigabyte. So the parts of a long one are counted first, in it and in its tensors.
"""

from collections.abc import Iterator

from app.errors import InvalidInput

MOST_PARTS = 131_072
"""More than the most tensors that are taken ever need."""

_TENSORS = (5, 6)
"""Fields of ``ModelInferRequest`` that hold messages: inputs and outputs."""
_BYTES = 2
_WIDTHS = {1: 8, 5: 4}


def refuse_many_parts(raw: bytes) -> None:
    """What cannot be walked is left to the parser, which refuses it.

    Raises:
        InvalidInput: there are more than ``MOST_PARTS``.
    """
    try:
        for count, _ in enumerate(_parts(raw, 0, len(raw), deep=True), 1):
            if count > MOST_PARTS:
                raise InvalidInput({"message": [f"has more than {MOST_PARTS} parts"]})
    except IndexError:
        return


def _parts(raw: bytes, at: int, end: int, *, deep: bool) -> Iterator[None]:
    while at < end:
        tag, at = _number(raw, at)
        kind = tag & 7
        if kind == _BYTES:
            size, at = _number(raw, at)
            if deep and tag >> 3 in _TENSORS:
                yield from _parts(raw, at, min(at + size, end), deep=False)
            at += size
        elif kind in _WIDTHS:
            at += _WIDTHS[kind]
        elif kind == 0:
            _, at = _number(raw, at)
        else:
            return
        yield


def _number(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128 or shift > 63:
            return value, at
