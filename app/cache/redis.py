"""Tier 2: entries in Redis, shared by workers and machines.

Reads are one MGET. Writes go through a bounded queue and a thread of their own, so that no answer waits for them; what
does not fit the queue, or Redis will not take, is dropped and counted.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from random import random
from threading import Condition, Thread
from time import sleep
from typing import Any, NamedTuple

from app.cache.base import Entry
from app.cache.codec import Codec
from app.cache.tally import Tally
from app.state.base import StateUnavailable
from app.state.link import RedisLink

QUEUE_BYTES = 32 * 1024 * 1024
"""The most memory that entries on their way to Redis may take."""

LINGER_S = 0.002
"""How long the writer lets entries gather before it sends them together."""

LARGEST_BYTES = 4 * 1024 * 1024
"""An entry above this is not sent: it might take longer than Redis is waited for, and would look like its absence."""

_ROWS_AT_ONCE = 512
_BYTES_AT_ONCE = 1024 * 1024


class Waiting(NamedTuple):
    """An entry on its way. ``px`` is its time to live in ms."""

    key: bytes
    entry: Entry
    px: int
    size: int
    tally: Tally


class RedisTier:
    """Sealed entries under ``sluice:p:<mark of the secret>:<key>``: whose secrets differ, they do not meet."""

    def __init__(self, link: RedisLink, codec: Codec) -> None:
        self._link = link
        self._codec = codec
        self._prefix = f"sluice:p:{codec.mark}:".encode()
        self._queue: deque[Waiting] = deque()
        self._queued_bytes = 0
        self._waiting = Condition()
        self._writer: Thread | None = None

    @property
    def up(self) -> bool:
        """See ``Tier.up``."""
        return self._link.up

    def get_many(self, keys: Sequence[bytes], tally: Tally) -> list[Entry | None] | None:
        """See ``Tier.get_many``."""
        names = [self._prefix + key for key in keys]
        try:
            values: Any = self._link.call(lambda client: _read(client, names))
        except StateUnavailable:
            return None
        entries = [self._codec.open(key, value) for key, value in zip(keys, values, strict=True)]
        rejected = sum(entry is None and value is not None for entry, value in zip(entries, values, strict=True))
        if rejected:
            tally.add("rejected", rejected)
        return entries

    def put_many(self, entries: Mapping[bytes, Entry], ttl: float, tally: Tally) -> None:
        """See ``Tier.put_many``. Lives are cut by up to a tenth each, so that one burst does not expire at once."""
        queued = [
            Waiting(key, entry, int(ttl * 1000 * (0.9 + 0.1 * random())), entry.size, tally)  # noqa: S311
            for key, entry in entries.items()
        ]
        with self._waiting:
            dropped = [item for item in queued if not self._enqueue(item)]
            if self._queue:
                self._start_writer()
                self._waiting.notify()
        if dropped:
            tally.add("dropped", len(dropped))

    def holdings(self) -> dict[str, int]:
        """How much the whole store holds, ours and whatever else is there: keys, bytes, evictions since it started.

        Raises:
            StateUnavailable
        """
        nodes = self._link.call(_infos)
        keys = [node.get(name, {}) for node in nodes for name in node if name.startswith("db")]
        return {
            "keys": sum(int(database.get("keys", 0)) for database in keys),
            "bytes": sum(int(node.get("used_memory", 0)) for node in nodes),
            "evictions": sum(int(node.get("evicted_keys", 0)) for node in nodes),
        }

    def _enqueue(self, item: Waiting) -> bool:
        """Put it in the queue; False where it may not wait."""
        fits = item.size <= LARGEST_BYTES and self._queued_bytes + item.size <= QUEUE_BYTES
        if not fits or not self._link.up:
            return False
        self._queue.append(item)
        self._queued_bytes += item.size
        return True

    def _start_writer(self) -> None:
        if self._writer is None:
            self._writer = Thread(target=self._write_forever, name="cache-writer", daemon=True)
            self._writer.start()

    def _write_forever(self) -> None:
        while True:
            with self._waiting:
                while not self._queue:
                    self._waiting.wait()
            sleep(LINGER_S)
            while batch := self._take():
                self._write(batch)

    def _take(self) -> list[Waiting]:
        """Few enough, and small enough together, to be sent well within the time that Redis is waited for."""
        batch: list[Waiting] = []
        size = 0
        with self._waiting:
            while self._queue and len(batch) < _ROWS_AT_ONCE and size < _BYTES_AT_ONCE:
                batch.append(self._queue.popleft())
                size += batch[-1].size
            self._queued_bytes -= size
        return batch

    def _write(self, batch: Sequence[Waiting]) -> None:
        sealed = [(item, self._codec.seal(item.key, item.entry)) for item in batch]
        commands = [(self._prefix + item.key, data, item.px) for item, data in sealed if data is not None]
        try:
            if commands:
                self._link.write(lambda client: _set_all(client, commands))
            fate = "stored"
        except StateUnavailable:
            fate = "dropped"
        for item, data in sealed:
            item.tally.add(fate if data is not None else "dropped", 1)


def _read(client: Any, names: Sequence[bytes]) -> Any:
    """MGET; over a cluster the keys lie on several nodes."""
    if len(names) > 1 and hasattr(client, "mget_nonatomic"):
        return client.mget_nonatomic(names)
    return client.mget(names)


def _set_all(client: Any, commands: Iterable[tuple[bytes, bytes, int]]) -> None:
    pipeline = client.pipeline(transaction=False)
    for name, data, px in commands:
        pipeline.set(name, data, px=max(px, 1))
    pipeline.execute()


def _infos(client: Any) -> list[Mapping[str, Any]]:
    """INFO of every node that holds keys."""
    if hasattr(client, "mget_nonatomic"):
        return list(client.info(target_nodes=type(client).PRIMARIES).values())
    return [client.info()]
