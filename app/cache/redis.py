"""Tier 2: entries in Redis, shared by workers and machines.

Reads are one MGET. Writes go through a bounded queue and a thread of their own, so that no answer waits for them;
what does not fit the queue, or Redis will not take, is dropped and counted.
"""

from collections.abc import Mapping, Sequence
from queue import Empty, Full, Queue
from random import random
from threading import Lock, Thread
from typing import Any

from app.cache.base import Entry
from app.cache.codec import Codec
from app.state.base import StateUnavailable
from app.state.redis import RedisLink

QUEUE_BATCHES = 1_000
_DRAIN_ROWS = 512

Batch = tuple[dict[bytes, bytes], float]


class RedisTier:
    """Sealed entries under ``<prefix><key>``."""

    def __init__(self, link: RedisLink, codec: Codec, prefix: bytes = b"sluice:p:") -> None:
        self._link = link
        self._codec = codec
        self._prefix = prefix
        self._queue: Queue[Batch] = Queue(QUEUE_BATCHES)
        self._writer: Thread | None = None
        self._starting = Lock()
        self._dropped = 0
        self._rejected = 0

    def get_many(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """See ``Tier.get_many``."""
        names = [self._prefix + key for key in keys]
        try:
            values: Any = self._link.call(lambda client: _read(client, names))
        except StateUnavailable:
            return [None] * len(keys)
        return [None if value is None else self._opened(key, value) for key, value in zip(keys, values, strict=True)]

    def put_many(self, entries: Mapping[bytes, Entry], ttl: float, owner: str) -> None:
        """See ``Tier.put_many``."""
        if not self._link.up:
            self._dropped += len(entries)
            return
        sealed = {self._prefix + key: self._codec.seal(key, entry) for key, entry in entries.items()}
        try:
            self._queue.put_nowait((sealed, ttl))
        except Full:
            self._dropped += len(entries)
        self._start_writer()

    def figures(self, owner: str) -> dict[str, float]:
        """See ``Tier.figures``. How much Redis holds is Redis's to say (INFO); these are this worker's troubles."""
        return {"dropped_writes": self._dropped, "rejected_entries": self._rejected, "queued": self._queue.qsize()}

    def health(self) -> str:
        """``up``, ``down`` or ``read-only``."""
        return self._link.health()

    def _opened(self, key: bytes, value: object) -> Entry | None:
        entry = self._codec.open(key, value)
        if entry is None:
            self._rejected += 1
        return entry

    def _start_writer(self) -> None:
        if self._writer is None:
            with self._starting:
                if self._writer is None:
                    self._writer = Thread(target=self._write_forever, name="cache-writer", daemon=True)
                    self._writer.start()

    def _write_forever(self) -> None:
        while True:
            batches = [self._queue.get()]
            rows = len(batches[0][0])
            while rows < _DRAIN_ROWS:
                try:
                    batches.append(self._queue.get_nowait())
                except Empty:
                    break
                rows += len(batches[-1][0])
            try:
                self._link.write(lambda client, written=batches: _write(client, written))  # type: ignore[misc]
            except StateUnavailable:
                self._dropped += rows


def _read(client: Any, names: Sequence[bytes]) -> Any:
    """MGET; over a cluster the keys lie on several nodes."""
    if len(names) == 1:
        return client.mget(names)
    return client.mget_nonatomic(names) if hasattr(client, "mget_nonatomic") else client.mget(names)


def _write(client: Any, batches: Sequence[Batch]) -> None:
    pipeline = client.pipeline(transaction=False)
    for sealed, ttl in batches:
        for name, value in sealed.items():
            pipeline.set(name, value, px=int(ttl * 1000 * (0.9 + 0.1 * random())))  # noqa: S311  jitter
    pipeline.execute()
