"""Which requests were accounted for, so that one that is asked again after its worker died is not accounted for twice.

A proxy asks a second worker when the first is killed before it answered; that one may have written its log line
already. Each claim is noted in memory that all workers of one server see and that outlives them. It only ever
matters between a death and the retry it causes: an id that a living process claimed may be claimed by anyone.
"""

import mmap
import os
from pathlib import Path
from struct import Struct
from time import monotonic

LINES = 1 << 16
MEMORY_S = 10
"""How long after a claim a retry may come."""

_LINE = Struct("<qII")  # hash of the id, pid, second
_EXITING = 0x4  # PF_EXITING in the kernel's task flags: set before the process's connections close


class Ledger:
    """One kind of accounting. Ids share a line when their hashes do, which loses the older of the two."""

    def __init__(self, path: Path) -> None:
        size = LINES * _LINE.size
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
            self._lines = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._pid = os.getpid()

    def claim(self, request_id: str) -> bool:
        """False when a process that has ended since claimed the id moments ago, else True.

        Workers are forks of one master, so their hashes of a text are equal.
        """
        key, now = hash(request_id), int(monotonic())
        at = (key % LINES) * _LINE.size
        held, pid, second = _LINE.unpack_from(self._lines, at)
        if held == key and pid != self._pid and now - second <= MEMORY_S and _has_ended(pid):
            return False
        _LINE.pack_into(self._lines, at, key, self._pid, now)
        return True


class NullLedger:
    """For one process, with which its requests die."""

    def claim(self, request_id: str) -> bool:
        """See ``Ledger.claim``."""
        return True


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or on its way out so far that its connections may be closed."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return True
    return words[0] in "ZX" or bool(int(words[6]) & _EXITING)
