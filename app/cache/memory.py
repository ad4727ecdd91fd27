"""Tier 1: a bounded LRU with expiry in the worker's own memory.

Our own because of what it stands in front of: a tree that answers in 6 us.
docs/decisions/0014-remembering-predictions.md has the figures beside cachetools'.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from random import random
from threading import Lock
from time import monotonic

from app.cache.base import Entry
from app.cache.tally import Tally


class MemoryTier:
    """Least recently used goes first, by entries and by bytes."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: bytes) -> Entry | None:
        """One entry."""
        with self._lock:
            return self._get(key, monotonic())

    def get_many(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """The entries in the order of the keys."""
        now = monotonic()
        with self._lock:
            return [self._get(key, now) for key in keys]

    def put_many(self, entries: Mapping[bytes, Entry], ttl: float, tally: Tally) -> None:
        """Remember for ``ttl`` seconds or up to a tenth less, so that one burst does not expire at once."""
        expires = monotonic() + ttl * (0.9 + 0.1 * random())  # noqa: S311
        with self._lock:
            for key, entry in entries.items():
                self._put(key, entry, expires, tally)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            held, self._held, self._bytes = self._held, OrderedDict(), 0
            for item in held.values():
                item.tally.hold(-1, -item.size)

    def _get(self, key: bytes, now: float) -> Entry | None:
        held = self._held.get(key)
        if held is None:
            return None
        if held.expires <= now:
            self._remove(key)
            return None
        self._held.move_to_end(key)
        return held.entry

    def _put(self, key: bytes, entry: Entry, expires: float, tally: Tally) -> None:
        if key in self._held:
            self._remove(key)
        size = entry.size
        if size > self._max_bytes:
            return
        self._held[key] = _Held(expires, size, entry, tally)
        self._bytes += size
        tally.hold(1, size)
        while self._bytes > self._max_bytes or len(self._held) > self._max_entries:
            self._remove(next(iter(self._held))).tally.add("evictions", 1)

    def _remove(self, key: bytes) -> "_Held":
        held = self._held.pop(key)
        self._bytes -= held.size
        held.tally.hold(-1, -held.size)
        return held


class _Held:
    """An entry and what its removal needs."""

    __slots__ = ("entry", "expires", "size", "tally")

    def __init__(self, expires: float, size: int, entry: Entry, tally: Tally) -> None:
        self.expires = expires
        self.size = size
        self.entry = entry
        self.tally = tally
