"""What a worker has set aside and not handed out yet, in memory that outlives it: whoever takes its seat goes on.

One file per seat (``roster``), one writer at a time. Without it every worker that is killed or replaced would take its
callers' units with it.
"""

import mmap
import os
from pathlib import Path
from struct import Struct
from time import monotonic
from typing import NamedTuple

PLACES = 1 << 14

PLACE = Struct("<qqqqd")
"""The number of what it is for, then a ``Stock``."""
_NUMBER = Struct("<q")


class Stock(NamedTuple):
    """``left`` units to hand out until ``ends`` (monotonic), and what was last known of everybody's."""

    left: int
    remaining: int
    known_left: int
    ends: float


class Shelf:
    """What each number stands for is its user's business: a hash will do, which is equal in all forks of one master.

    Numbers may share a place; whoever comes second, while the first's window lasts, keeps nothing.
    """

    def __init__(self, path: Path) -> None:
        size = PLACES * PLACE.size
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)  # a page that is not there would end whoever writes to it
            self._places = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)

    def find(self, number: int) -> Stock | None:
        """What lies there under a number, None when its window is over or nothing was ever kept."""
        held, *stock = PLACE.unpack_from(self._places, _at(number))
        found = Stock(*stock)
        return found if held == number and found.ends > monotonic() else None

    def keep(self, number: int, left: int, remaining: int, known_left: int, ends: float) -> None:
        """Replace what lies there under a number: a ``Stock``, taken apart since this is on every request's way."""
        at = _at(number)
        if _NUMBER.unpack_from(self._places, at)[0] == number or PLACE.unpack_from(self._places, at)[-1] <= monotonic():
            PLACE.pack_into(self._places, at, number, left, remaining, known_left, ends)


def _at(number: int) -> int:
    return (number % PLACES) * PLACE.size
