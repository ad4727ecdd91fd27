"""Redis as shared state, and the link to it that the cache uses as well.

One rule shapes this file: a request pays for an absent Redis at most once per worker. The first failure opens the
link; from then on calls fail at once without touching the network, while a thread of its own asks every half second
whether Redis is back.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from threading import Lock, Thread
from time import sleep
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.credentials import CredentialProvider
from redis.retry import Retry

from app.state.base import Document, Grant, StateUnavailable

Answer = TypeVar("Answer")

TIMEOUT_S = 0.05
RETRY_S = 0.5

_PROBED = "sluice:probe"
_DAMAGE = ("WRONGTYPE", "is not a float", "is not a valid float", "is not an integer")
_AWAY = (redis.exceptions.RedisError, redis.exceptions.RedisClusterException, OSError)


def connect(url: str, connections: int, credentials: CredentialProvider | None = None) -> Any:
    """A client for the URL; no connection is made before the first command, so before or after a fork is the same.

    ``redis+cluster://`` and ``rediss+cluster://`` name any node of a cluster. Every wait is bounded by ``TIMEOUT_S``,
    and nothing is retried: redis-py's default of ten retries would block a request for seconds.
    """
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "max_connections": connections,
        "retry": Retry(NoBackoff(), 0),
    }
    if credentials is not None:
        options["credential_provider"] = credentials
    scheme, _, rest = url.partition("://")
    if scheme.endswith("+cluster"):
        return RedisCluster.from_url(f"{scheme.removesuffix('+cluster')}://{rest}", **options)
    return redis.Redis(connection_pool=redis.ConnectionPool.from_url(url, **options))


class RedisLink:
    """One worker's way to Redis: the pool, and whether it is worth trying."""

    def __init__(self, make_client: Callable[[], Any], log: Any) -> None:
        self._make_client = make_client
        self._client: Any = None
        self._log = log
        self._up = True
        self._writable = True
        self._guard = Lock()

    @property
    def up(self) -> bool:
        """False from the first failure until a probe succeeds."""
        return self._up

    def call(self, command: Callable[[Any], Answer]) -> Answer:
        """Run a command that only reads.

        Raises:
            StateUnavailable: Redis is away or slow, or will not answer this.
        """
        return self._attempt(command, self._refused_read)

    def write(self, command: Callable[[Any], Answer]) -> Answer:
        """Run a command that writes, and learn whether Redis takes any writes.

        Raises:
            StateUnavailable
        """
        answer = self._attempt(command, self._refused_write)
        self._note_writable(True)
        return answer

    def health(self) -> str:
        """``up``, ``down`` or ``read-only``."""
        if not self._up:
            return "down"
        return "up" if self._writable else "read-only"

    def _attempt(self, command: Callable[[Any], Answer], refused: Callable[[Exception], None]) -> Answer:
        if not self._up:
            raise StateUnavailable("redis is away")
        try:
            return command(self._connected())
        except redis.exceptions.MaxConnectionsError:
            raise StateUnavailable("every connection is in use") from None
        except redis.exceptions.ResponseError as error:
            if not _is_damage(error):
                refused(error)
            raise StateUnavailable(type(error).__name__) from error
        except _AWAY as error:
            self._open(error)
            raise StateUnavailable(type(error).__name__) from None

    def _connected(self) -> Any:
        """The client; a cluster's asks its nodes when it is made, so the others wait for one thread to find out."""
        return self._client or self._first_client()

    def _first_client(self) -> Any:
        with self._guard:
            if not self._up:
                raise redis.exceptions.ConnectionError
            self._client = self._client or self._make_client()
            return self._client

    def _refused_read(self, error: Exception) -> None:
        """A replica without its master, a cluster without a slot, a user who may not: nothing can be had here."""
        self._open(error)

    def _refused_write(self, error: Exception) -> None:
        """Full, read-only, a disk that is full, a user who may only read: what is there can still be had."""
        self._note_writable(False, type(error).__name__)

    def _note_writable(self, writable: bool, reason: str = "") -> None:
        if writable != self._writable:
            self._writable = writable
            self._log.warning("redis_writable" if writable else "redis_refuses_writes", reason=reason)

    def _open(self, error: Exception) -> None:
        with self._guard:
            if not self._up:
                return
            self._up = False
        self._log.warning("redis_down", reason=type(error).__name__)
        Thread(target=self._probe, name="redis-probe", daemon=True).start()

    def _probe(self) -> None:
        """A read like those of requests, for a Redis that answers PING may refuse everything else."""
        while not self._up:
            sleep(RETRY_S)
            try:
                self._client = self._client or self._make_client()
                self._client.get(_PROBED)
            except _AWAY:
                continue
            self._up = True
            self._log.info("redis_up")


def _is_damage(error: BaseException) -> bool:
    """Something that is not ours stands under our key; Redis itself is well."""
    return any(sign in str(error) for sign in _DAMAGE)


def _finite(text: bytes) -> float:
    """Raises ValueError for what is no number, or none that can be added to."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


_TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local need, want, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local left = limit - used
if left < need then
  return {0, math.max(left, 0), redis.call('PTTL', KEYS[1])}
end
local units = math.min(want, left)
redis.call('INCRBY', KEYS[1], units)
if used == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return {units, left - units, redis.call('PTTL', KEYS[1])}
"""


_SWAP = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
local generation = held and tonumber(string.match(held, '^%d+')) or 0
if generation ~= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""

_LEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


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
        """See ``State.documents``."""
        key = f"{self._prefix}documents:{kind}"
        rows = self._link.call(lambda client: client.hgetall(key))
        try:
            return {name.decode(): _document(row) for name, row in rows.items()}
        except ValueError:
            raise StateUnavailable(f"{kind}: a document cannot be read") from None

    def swap(self, kind: str, name: str, generation: int, text: str) -> Document | None:
        """See ``State.swap``."""
        key = f"{self._prefix}documents:{kind}"
        row = f"{generation + 1}\n{text}"
        swapped = self._write(key, lambda client: client.eval(_SWAP, 1, key, name, generation, row))
        return Document(generation + 1, text) if swapped else None

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
        if error.__cause__ is not None and _is_damage(error.__cause__):
            self._link.write(lambda client: client.delete(key))
