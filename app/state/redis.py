"""Redis as shared state: tables are hashes, and what must be one step for everybody is one script."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import Any, TypeVar

from app.state.base import Document, Grant, StateUnavailable
from app.state.link import RedisLink, is_damage

Answer = TypeVar("Answer")


def _finite(text: bytes) -> float:
    """Raises ValueError for what is no number, or none that can be added to."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


_TAKE = """
local ttl = redis.call('PTTL', KEYS[1])
local used = ttl > 0 and tonumber(redis.call('GET', KEYS[1])) or 0
local need, want, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if ttl > tonumber(ARGV[4]) or not (used >= 0 and used <= limit) then ttl, used = 0, 0 end
local left = limit - used
if left < need then return {0, math.max(left, 0), math.max(ttl, 0)} end
local units = math.min(want, left)
if ttl > 0 then
  redis.call('INCRBY', KEYS[1], units)
else
  redis.call('SET', KEYS[1], units, 'PX', ARGV[4])
  ttl = tonumber(ARGV[4])
end
return {units, left - units, ttl}
"""
"""A window without an end, beyond its end or over its limit is none of ours, whatever stands there; one that is no
number fails at the increment."""


_SWAP = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
local generation = held and tonumber(string.match(held, '^%d+')) or 0
if generation ~= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""

_RESTORE = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
local generation = held and tonumber(string.match(held, '^%d+')) or 0
if generation >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""

_LEASE = """
local holder, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if holder and holder ~= ARGV[1] and left >= 0 and left <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""One without an end, or beyond its end (the clock of Redis went back), is nobody's."""


def _document(row: bytes) -> Document:
    generation, _, text = row.decode().partition("\n")
    return Document(int(generation), text)


class RedisState:
    """Tables as Redis hashes."""

    shared = True

    def __init__(self, link: RedisLink, prefix: str = "sluice:") -> None:
        self._link = link
        self._prefix = prefix

    def add(self, table: str, deltas: Mapping[str, float]) -> None:
        """See ``State.add``: one round trip, all or nothing."""
        key = self._prefix + table

        def command(client: Any) -> None:
            pipeline = client.pipeline(transaction=True)
            for name, delta in deltas.items():
                pipeline.hincrbyfloat(key, name, delta)
            pipeline.execute()

        self._write(key, command)

    def numbers(self, table: str) -> dict[str, float]:
        """See ``State.numbers``."""
        numbers, strange = {}, []
        for name, value in self._read(table).items():
            try:
                numbers[name.decode()] = _finite(value)
            except ValueError:
                strange.append(name)
        if strange:
            self._link.write(lambda client: client.hdel(self._prefix + table, *strange))
        return numbers

    def put(self, table: str, records: Mapping[str, bytes]) -> None:
        """See ``State.put``."""
        key = self._prefix + table
        self._write(key, lambda client: client.hset(key, mapping=dict(records)))

    def records(self, table: str) -> dict[str, bytes]:
        """See ``State.records``."""
        return {name.decode(errors="replace"): value for name, value in self._read(table).items()}

    def remove(self, table: str, fields: Sequence[str] | None = None) -> None:
        """See ``State.remove``."""
        key = self._prefix + table
        if fields is None:
            self._link.write(lambda client: client.delete(key))
        elif fields:
            self._link.write(lambda client: client.hdel(key, *fields))

    def take(self, key: str, need: int, want: int, limit: int, seconds: int) -> Grant:
        """See ``State.take``: one script, so that reading and taking are one step for everybody."""
        name = self._prefix + key
        arguments = (need, want, limit, seconds * 1000)
        units, remaining, reset_ms = self._write(name, lambda client: client.eval(_TAKE, 1, name, *arguments))
        return Grant(units, remaining, max(reset_ms, 1) / 1000)

    def documents(self, kind: str) -> dict[str, Document]:
        """See ``State.documents``. What cannot be read counts as absent, and so do ``swap`` and ``restore`` take it."""
        found = {}
        for name, row in self._read(f"documents:{kind}").items():
            with suppress(ValueError):
                found[name.decode()] = _document(row)
        return found

    def swap(self, kind: str, name: str, generation: int, text: str) -> Document | None:
        """See ``State.swap``."""
        key = f"{self._prefix}documents:{kind}"
        row = f"{generation + 1}\n{text}"
        swapped = self._write(key, lambda client: client.eval(_SWAP, 1, key, name, generation, row))
        return Document(generation + 1, text) if swapped else None

    def restore(self, kind: str, name: str, document: Document) -> bool:
        """See ``State.restore``."""
        key, generation = f"{self._prefix}documents:{kind}", document.generation
        row = f"{generation}\n{document.text}"
        return bool(self._write(key, lambda client: client.eval(_RESTORE, 1, key, name, generation, row)))

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """See ``State.lease``."""
        key = f"{self._prefix}lease:{name}"
        return bool(self._write(key, lambda client: client.eval(_LEASE, 1, key, holder, int(seconds * 1000))))

    def health(self) -> str:
        """See ``State.health``."""
        return self._link.health()

    def _read(self, table: str) -> dict[bytes, bytes]:
        key = self._prefix + table
        try:
            return self._link.call(lambda client: client.hgetall(key))
        except StateUnavailable as error:
            self._heal(key, error)
            raise

    def _write(self, key: str, command: Callable[[Any], Answer]) -> Answer:
        try:
            return self._link.write(command)
        except StateUnavailable as error:
            self._heal(key, error)
            raise

    def _heal(self, key: str, error: StateUnavailable) -> None:
        """Somebody put something else under a key of ours: it is ours to remove, and the next call starts afresh."""
        if error.__cause__ is not None and is_damage(error.__cause__):
            self._link.write(lambda client: client.delete(key))
