"""Which requests were accounted for, so that one that is asked again after its worker died is not accounted for twice.

A proxy asks a second worker when the first is killed before it answered; that one may have charged its caller, counted
it or written its log line already. What was done is noted in memory that all workers of one server see and that
outlives them, under the number the proxy gave the request (``app.passage``). It only ever matters between a death and
the retry it causes: what a living process noted is nobody else's request, and a note of the dead serves once.
"""

import os
from collections.abc import Callable, Hashable
from pathlib import Path
from struct import Struct
from time import monotonic
from typing import Protocol

from app import passage
from app.state.mapping import map_file

LINES = 1 << 16
MEMORY_S = 10
"""How long after a note a retry may come."""

_LINE = Struct("<qII")  # hash of what was done to which request, pid, second
_EXITING = 0x4  # PF_EXITING in the kernel's task flags: set before the process's connections close


class Accounts(Protocol):
    """One kind of accounting for the request of this thread; ``whose`` tells several in one request apart."""

    def settled(self, whose: Hashable = None) -> bool:
        """Whether a process that has ended since has done it moments ago; asking uses the answer up."""
        ...

    def note(self, whose: Hashable = None) -> None:
        """It is done."""
        ...


class Ledger:
    """Ids share a line when their hashes do, which loses the older of the two."""

    def __init__(self, path: Path) -> None:
        self._lines = map_file(path, LINES * _LINE.size)
        self._pid = os.getpid()

    def settled(self, whose: Hashable = None) -> bool:
        """See ``Accounts.settled``."""
        number = passage.current()
        if number is None:
            return False
        key = _key(number, whose)
        held, pid, second = _LINE.unpack_from(self._lines, _at(key))
        if held != key or pid == self._pid or int(monotonic()) - second > MEMORY_S or not _has_ended(pid):
            return False
        self._write(key)
        return True

    def note(self, whose: Hashable = None) -> None:
        """See ``Accounts.note``."""
        number = passage.current()
        if number is not None:
            self._write(_key(number, whose))

    def _write(self, key: int) -> None:
        _LINE.pack_into(self._lines, _at(key), key, self._pid, int(monotonic()))


class NullLedger:
    """For one process, with which its requests die."""

    def settled(self, whose: Hashable = None) -> bool:
        """See ``Accounts.settled``."""
        return False

    def note(self, whose: Hashable = None) -> None:
        """See ``Accounts.note``."""


class Lines:
    """Which requests have their line in a log. Writing it and noting that cannot be one step, so there are two notes.

    A worker that died between them leaves a doubt, and only then is the log itself looked at.
    """

    def __init__(self, folder: Path | None) -> None:
        self._begun = open_accounts(folder, "telling")
        self._done = open_accounts(folder, "told")

    def due(self, stands: Callable[[], bool]) -> bool:
        """Whether a line is to be written for the request of this thread."""
        if self._done.settled() or (self._begun.settled() and stands()):
            self._done.note()
            return False
        self._begun.note()
        return True

    def written(self) -> None:
        """It stands now."""
        self._done.note()


def open_accounts(folder: Path | None, kind: str) -> Accounts:
    """The accounts of one kind that the workers of a server keep in their folder, if they have one."""
    return Ledger(folder / kind) if folder else NullLedger()


def _key(number: str, whose: Hashable) -> int:
    """Workers are forks of one master, so their hashes of a text are equal."""
    return hash((number, whose))


def _at(key: int) -> int:
    return (key % LINES) * _LINE.size


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or on its way out so far that its connections may be closed."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return True
    return words[0] in "ZX" or bool(int(words[6]) & _EXITING)
