"""Tier 1: a bounded LRU with expiry in the worker's own memory.

Our own and not cachetools' because of what it stands in front of: a tree that answers in 6 us. A hit here costs well
under one; benchmarks/RESULTS.md has both.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import random
from threading import Lock
from time import monotonic

from app.cache.base import Entry
from app.tensors import Array

_OVERHEAD_BYTES = 600
"""A key, its entry, an array header and their places in the dicts, measured with tracemalloc and rounded up."""


class MemoryTier:
    """Least recently used goes first, by entries and by bytes."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._bytes = 0
        self._owners: dict[str, Figures] = {}
        self._lock = Lock()

    def get_many(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """See ``Tier.get_many``."""
        now = monotonic()
        with self._lock:
            return [self._get(key, now) for key in keys]

    def put_many(self, entries: Mapping[bytes, Entry], ttl: float, owner: str) -> None:
        """See ``Tier.put_many``."""
        expires = monotonic() + ttl * (0.9 + 0.1 * random())  # noqa: S311  jitter, so that one burst does not expire at once
        with self._lock:
            for key, entry in entries.items():
                self._put(key, entry, expires, owner)

    def figures(self, owner: str) -> dict[str, float]:
        """See ``Tier.figures``."""
        with self._lock:
            held = self._owners.get(owner) or Figures()
            return {"entries": held.entries, "bytes": held.bytes, "evictions": held.evictions}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for key in list(self._held):
                self._remove(key)

    def _get(self, key: bytes, now: float) -> Entry | None:
        held = self._held.get(key)
        if held is None:
            return None
        if held.expires <= now:
            self._remove(key)
            return None
        self._held.move_to_end(key)
        return held.entry

    def _put(self, key: bytes, entry: Entry, expires: float, owner: str) -> None:
        if key in self._held:
            self._remove(key)
        size = _OVERHEAD_BYTES + sum(_size(array) for array in entry.outputs.values())
        if size > self._max_bytes:
            return
        figures = self._owners.setdefault(owner, Figures())
        self._held[key] = _Held(expires, size, entry, figures)
        self._bytes += size
        figures.entries += 1
        figures.bytes += size
        while self._bytes > self._max_bytes or len(self._held) > self._max_entries:
            self._remove(next(iter(self._held))).figures.evictions += 1

    def _remove(self, key: bytes) -> "_Held":
        held = self._held.pop(key)
        self._bytes -= held.size
        held.figures.entries -= 1
        held.figures.bytes -= held.size
        return held


@dataclass(slots=True)
class Figures:
    """What one model version holds here."""

    entries: int = 0
    bytes: int = 0
    evictions: int = 0


@dataclass(slots=True)
class _Held:
    expires: float
    size: int
    entry: Entry
    figures: Figures


def _size(array: Array) -> int:
    if array.dtype.kind != "O":
        return array.nbytes
    return array.nbytes + sum(len(str(item)) + 49 for item in array.flat)
