"""prometheus_client's file of numbers, in memory that is really there.

As it comes, a file is made longer without anything behind it. Where the folder's file system is full (Docker gives
/dev/shm 64 MiB) the next write to it ends the process: each worker, and the master that adds up the dead. Here room is
asked for first, and what cannot be had is an error like any other.
"""

import os
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

_SMALLEST = 1 << 16
_BESIDE_KEY = 32
"""At most so many bytes of an entry are not its key."""


class Numbers(MmapedDict):
    """Raises OSError where there is no room, and is then as it was."""

    def __init__(self, filename: str) -> None:
        with Path(filename).open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, _SMALLEST)
        super().__init__(filename)  # type: ignore[no-untyped-call]

    def make_room(self, *keys: str) -> None:
        """For entries with these keys."""
        wanted = self._used + sum(len(key.encode()) + _BESIDE_KEY for key in keys)
        capacity = self._capacity
        while capacity < wanted:
            capacity *= 2
        if capacity > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, capacity)

    def _init_value(self, key: str) -> None:
        self.make_room(key)
        super()._init_value(key)  # type: ignore[no-untyped-call]
