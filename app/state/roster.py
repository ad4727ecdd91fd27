"""Who serves: a table in memory that the master and all its workers see.

Gunicorn tells a worker to go in the same way whether the server ends, is reloaded, or has one worker too many. Here it
finds out which, so that a reload's old workers serve until the new ones do, and an ending server says that it is not
ready before it stops taking connections. The connection counts are for sharing new connections out evenly.

Each line has one writer at a time: the master before the fork and after the end, the worker in between.
"""

from collections.abc import Iterator
from pathlib import Path

from app.state.mapping import map_file

SEATS = 1024

_STOPPING, _RELOADED, _HIGHEST, _HEAD = range(4)
_AGE, _STATE, _CONNECTIONS, _WIDTH = range(4)
_BOOTING, _READY, _LEAVING = 1, 2, 3


class Roster:
    """The table, in a file that is made when it is not there."""

    def __init__(self, path: Path) -> None:
        self._words = memoryview(map_file(path, 4 * (_HEAD + SEATS * _WIDTH))).cast("I")

    def board(self, age: int) -> "Seat":
        """The lowest free seat for a worker about to be forked. Ages grow by one with each worker.

        Raises:
            LookupError: more than ``SEATS`` workers.
        """
        words = self._words
        number = next((seat for seat in range(SEATS) if not words[_line(seat)]), None)
        if number is None:
            raise LookupError(f"more than {SEATS} workers")
        at = _line(number)
        words[at + _STATE], words[at + _CONNECTIONS] = _BOOTING, 0
        words[at + _AGE] = age
        words[_HIGHEST] = max(words[_HIGHEST], number + 1)
        return Seat(words, number)

    def vacate(self, age: int) -> None:
        """The worker has ended."""
        for at in _taken(self._words):
            if self._words[at + _AGE] == age:
                self._words[at + _AGE] = 0

    def announce_reload(self, age: int) -> None:
        """Workers up to that age will be replaced by younger ones."""
        self._words[_RELOADED] = age

    def announce_stop(self) -> None:
        """The server ends."""
        self._words[_STOPPING] = 1


class Seat:
    """One worker's line, and what it can read in the others. ``number`` is the lowest that was free."""

    def __init__(self, words: memoryview, number: int) -> None:
        self._words = words
        self._at = _line(number)
        self.number = number

    @property
    def stopping(self) -> bool:
        """Whether the whole server ends."""
        return bool(self._words[_STOPPING])

    def ready(self) -> None:
        """This worker takes connections from now on."""
        self._words[self._at + _STATE] = _READY

    def rest(self) -> bool:
        """Take no more from now on, if another takes them or there is no other at all; whether that is so."""
        words = self._words
        words[self._at + _STATE] = _LEAVING  # said first: of two that are tired at once, one stays
        others = [words[at + _STATE] for at in _taken(words) if at != self._at]
        if others and _READY not in others:
            words[self._at + _STATE] = _READY
            return False
        return True

    def show(self, connections: int) -> None:
        """How many connections this worker has."""
        self._words[self._at + _CONNECTIONS] = connections

    def connections_elsewhere(self) -> list[int]:
        """How many each other worker has that takes any."""
        words = self._words
        return [words[at + _CONNECTIONS] for at in _taken(words) if at != self._at and words[at + _STATE] == _READY]

    def replaced(self) -> bool:
        """Whether this worker can go without a gap: after a reload, when all younger ones are ready."""
        words = self._words
        mine = words[self._at + _AGE]
        if mine > words[_RELOADED]:
            return True
        younger = [words[at + _STATE] for at in _taken(words) if words[at + _AGE] > words[_RELOADED]]
        return bool(younger) and _BOOTING not in younger


def _line(number: int) -> int:
    return _HEAD + number * _WIDTH


def _taken(words: memoryview) -> Iterator[int]:
    """Where the lines of living workers begin."""
    return (at for at in map(_line, range(words[_HIGHEST])) if words[at + _AGE])
