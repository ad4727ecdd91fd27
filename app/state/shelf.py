"""What a worker has set aside and not handed out yet, in memory that outlives it: whoever takes its seat goes on.

One file per seat (``roster``), one writer at a time. Without it every worker that is killed or replaced would take its
callers' units with it.
"""

import mmap
import os
from collections.abc import Hashable
from pathlib import Path
from struct import Struct
from time import monotonic
from typing import NamedTuple

PLACES = 1 << 14

PLACE = Struct("<qqqqd")
"""Hash of the key, then a ``Stock``."""


class Stock(NamedTuple):
    """``left`` units to hand out until ``ends`` (monotonic), and what was last known of everybody's."""

    left: int
    remaining: int
    known_left: int
    ends: float


class Shelf:
    """Keys share a place when their hashes do; whoever comes second, while the first's window lasts, keeps nothing."""

    def __init__(self, path: Path) -> None:
        size = PLACES * PLACE.size
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
            self._places = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)

    def find(self, key: Hashable) -> Stock | None:
        """What lies there for a key, None when its window is over or nothing was ever kept."""
        number = hash(key)
        held, *stock = PLACE.unpack_from(self._places, _at(number))
        found = Stock(*stock)
        return found if held == number and found.ends > monotonic() else None

    def keep(self, key: Hashable, stock: Stock) -> None:
        """Replace what lies there for a key."""
        number = hash(key)
        held, *_, ends = PLACE.unpack_from(self._places, _at(number))
        if held == number or ends <= monotonic():
            PLACE.pack_into(self._places, _at(number), number, *stock)


def _at(number: int) -> int:
    return (number % PLACES) * PLACE.size
