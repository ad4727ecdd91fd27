"""What a worker has set aside and not handed out yet, in memory that outlives it: whoever takes its seat goes on.

One file per seat (``roster``), one writer at a time. Without it every worker that is killed or replaced would take its
callers' units with it.
"""

import mmap
from pathlib import Path
from struct import Struct
from time import monotonic
from typing import NamedTuple

from app.state.mapping import map_file

PLACES = 1 << 14

PLACE = Struct("<qqqqd")
"""The number of what it is for, then a ``Stock``."""
_NUMBER = _LEFT = Struct("<q")


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
        self._places = map_file(path, PLACES * PLACE.size)

    def place(self, number: int) -> "Place":
        """Where the stock of that number lies, if any."""
        return Place(self._places, number)


class Place:
    """One number's place on the shelf, which may be another's just now. Find what lies there before anything else."""

    __slots__ = ("_at", "_mine", "_number", "_places")

    def __init__(self, places: mmap.mmap, number: int) -> None:
        self._places = places
        self._number = number
        self._at = (number % PLACES) * PLACE.size
        self._mine = False

    def find(self) -> Stock | None:
        """What lies there under this number, None when its window is over or nothing was ever kept."""
        held, *stock = PLACE.unpack_from(self._places, self._at)
        found = Stock(*stock)
        self._mine = held == self._number and found.ends > monotonic()
        return found if self._mine else None

    def keep(self, stock: Stock) -> None:
        """Replace what lies there under this number."""
        held, *_, ends = PLACE.unpack_from(self._places, self._at)
        self._mine = held == self._number or ends <= monotonic()
        if self._mine:
            PLACE.pack_into(self._places, self._at, self._number, *stock)

    def keep_left(self, left: int) -> None:
        """The same where nothing else has changed, and the window last kept is not over: on every request's way."""
        if self._mine:
            _LEFT.pack_into(self._places, self._at + _NUMBER.size, left)
